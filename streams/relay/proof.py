"""How two workers prove to each other that they belong to the same hub.

Pure. Both know a key derived from the hub's secret. Each sends a nonce and answers the other's with an HMAC over both
nonces, its own side's name and, on TLS, the certificate the connection runs on, so that nobody in the middle can
pass the proof on.
"""

import hashlib
import hmac
import secrets

NONCE_BYTES = 32


def new_nonce() -> bytes:
    """Return a fresh nonce."""
    return secrets.token_bytes(NONCE_BYTES)


def prove(key: bytes, side: str, nonces: tuple[bytes, bytes], binding: bytes) -> bytes:
    """Return the proof of `side` ("puller" or "holder"); `nonces` are the puller's and the holder's.

    `binding` is the SHA-256 of the holder's TLS certificate, empty on a unix socket.
    """
    return hmac.digest(key, b"\0".join((side.encode(), nonces[0].hex().encode(), nonces[1].hex().encode(), binding.hex().encode())), hashlib.sha256)  # fmt: skip


def is_proved(proof: bytes, key: bytes, side: str, nonces: tuple[bytes, bytes], binding: bytes) -> bool:
    """Tell whether `proof` is that of `side`, in constant time."""
    return hmac.compare_digest(proof, prove(key, side, nonces, binding))

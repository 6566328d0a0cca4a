"""The hub's secret, the keys derived from it, and the cipher for camera credentials at rest.

Pure but for `load_or_make_secret`, which the supervisor calls once before any child runs. One secret, one key per
purpose (HKDF-SHA256, RFC 5869), so that a token key tells nothing about the cipher's. Refuses to decrypt what was
changed, moved to another record, or written under another secret.
"""

import base64
import binascii
import os
import re
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from media.base.errors import ErrorKind, HubError

_FORMAT = "v1."
_SEALED = re.compile(r"v1\.([A-Za-z0-9_-]+={0,2})", re.ASCII)
_NONCE_BYTES = 12
"""The nonce size AES-GCM is made for (NIST SP 800-38D); random, good for 2^32 texts under one key."""


def derive_key(secret: str, purpose: str, size_bytes: int = 32) -> bytes:
    """Return the key of `purpose` under `secret`; the same for the same arguments, for ever."""
    return HKDF(hashes.SHA256(), size_bytes, salt=b"xiangyun", info=purpose.encode()).derive(secret.encode())


class Cipher:
    """Encrypts short texts, such as a source URL with its password, for storage."""

    def __init__(self, secret: str) -> None:
        """Derive the key of the purpose `camera credentials` from `secret`."""
        self._aead = AESGCM(derive_key(secret, "camera credentials"))

    def encrypt(self, text: str, *, bound_to: str = "") -> str:
        """Return `text` sealed as printable ASCII; it opens only with the same `bound_to`."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._aead.encrypt(nonce, text.encode(), bound_to.encode())
        return _FORMAT + base64.urlsafe_b64encode(sealed).decode()

    def decrypt(self, sealed: str, *, bound_to: str = "") -> str:
        """Return the text; HubError DATA_LOSS `secret_unreadable` when it was changed or the secret is another."""
        written = _SEALED.fullmatch(sealed)
        try:
            raw = base64.urlsafe_b64decode(written.group(1) if written else "")
            return self._aead.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], bound_to.encode()).decode()
        except (InvalidTag, ValueError, binascii.Error):
            raise HubError(
                ErrorKind.DATA_LOSS, "a stored secret cannot be read with this secret key", code="secret_unreadable"
            ) from None


def load_or_make_secret(path: Path) -> str:
    """Return the secret kept in `path`, making it (mode 0600) when there is none.

    HubError UNAVAILABLE when the file cannot be read, or is empty: a new secret would make every stored password
    unreadable, so that is for a person to decide.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _load_secret(path)
    secret = secrets.token_urlsafe(48)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(file.fileno())
    return secret


def _load_secret(path: Path) -> str:
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise HubError(ErrorKind.UNAVAILABLE, f"cannot read {path}: {error.strerror}", code="secret_key") from error
    if len(secret) < 16:
        raise HubError(ErrorKind.UNAVAILABLE, f"{path} holds no secret; restore it from a backup", code="secret_key")
    return secret

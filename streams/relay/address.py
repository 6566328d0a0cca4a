"""Where a worker's relay listens: `unix:/path` on the same machine, `tcp:host:port` (TLS) on another.

The certificate of a TCP listener is made at start and never checked against an authority: the proofs of `proof` are
bound to it, which a stranger in the middle cannot imitate. Used by `node`.
"""

import contextlib
import datetime
import hashlib
import os
import socket
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from media.base.errors import ErrorKind, HubError

_FIRST_DAY = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
_LAST_DAY = datetime.datetime(2120, 1, 1, tzinfo=datetime.UTC)
"""Far around any clock: nobody checks the dates, for the certificate dies with the process."""


@dataclass(frozen=True, slots=True)
class RelayAddress:
    """A parsed address: a path, or a host and a port (0 lets the system choose)."""

    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        """Return the text that `parse_address` reads."""
        return f"unix:{self.path}" if self.path else f"tcp:{self.host}:{self.port}"


def parse_address(text: str) -> RelayAddress:
    """Read an address; HubError INVALID `bad_address` when it is none."""
    scheme, _, rest = text.partition(":")
    if scheme == "unix" and rest.startswith("/"):
        return RelayAddress(path=rest)
    host, _, port = rest.rpartition(":")
    if scheme == "tcp" and host and port.isascii() and port.isdigit() and int(port) <= 65_535:
        return RelayAddress(host=host, port=int(port))
    raise HubError(ErrorKind.INVALID, "not a relay address", code="bad_address")


def bind_path(path: str) -> socket.socket:
    """Return a listening unix socket that only this user can reach, in place of a stale one."""
    fresh = f"{path}.{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):
        Path(fresh).unlink()
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    bound.bind(fresh)
    Path(fresh).chmod(0o600)
    bound.listen(64)
    bound.setblocking(False)
    Path(fresh).rename(path)
    return bound


def server_tls() -> tuple[ssl.SSLContext, bytes]:
    """Return a context with a fresh certificate, and the certificate's SHA-256."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "xiangyun relay")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    certificate = builder.not_valid_before(_FIRST_DAY).not_valid_after(_LAST_DAY).sign(key, hashes.SHA256())
    pem = certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)
    return context, hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest()


def client_tls() -> ssl.SSLContext:
    """Return a context that takes any certificate: who holds it is proved inside."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def binding_of(tls: ssl.SSLObject | None) -> bytes:
    """Return the SHA-256 of the other side's certificate; empty without TLS."""
    certificate = tls.getpeercert(binary_form=True) if tls is not None else None
    return hashlib.sha256(certificate).digest() if certificate else b""

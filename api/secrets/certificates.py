"""HTTPS without buying anything: a local authority made at first run, and the server's certificate signed by it.

Called by the api process at start and once a day. Browsers give camera and microphone only to HTTPS pages; people
trust the hub by installing `ca.crt` once (`doctor` prints the address). Keys never leave `<data_dir>/tls`, mode 0600.
The leaf is made anew when it nears its end or when the machine has names and addresses it does not carry.
"""

import datetime as dt
import ipaddress
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import ifaddr
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS = 3650
LEAF_DAYS = 397
"""The longest life Apple's and Google's browsers accept of a leaf."""

RENEW_BEFORE_DAYS = 30
_BACKDATED = dt.timedelta(hours=26)
"""Village machines have wrong clocks; a certificate of tomorrow is refused."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What uvicorn needs, and the authority people install (None with a certificate of one's own)."""

    certificate: Path
    key: Path
    authority: Path | None


def server_names(public_addresses: Iterable[str] = ()) -> list[str]:
    """Return the names and addresses under which a browser may reach this machine, without scope ids."""
    host = socket.gethostname()
    names = {"localhost", host, f"{host.split('.')[0]}.local", *public_addresses}
    for adapter in ifaddr.get_adapters():
        for address in adapter.ips:
            names.add(address.ip if isinstance(address.ip, str) else address.ip[0])
    return sorted(name for name in names if name)


class LocalAuthority:
    """The authority and its leaf, as four files in one directory."""

    def __init__(self, directory: Path) -> None:
        """Use `directory`; nothing is made before `ensure`."""
        self._directory = directory
        self.files = TlsFiles(directory / "server.crt", directory / "server.key", directory / "ca.crt")

    def ensure(self, names: Iterable[str], now: dt.datetime) -> bool:
        """Make what is missing, ending or lacks one of `names`. Return whether the leaf is new."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority_path, key_path = self._directory / "ca.crt", self._directory / "ca.key"
        authority = _load(authority_path)
        key = _load_key(key_path)
        is_pair = authority is not None and key is not None and authority.public_key() == key.public_key()
        if (
            authority is None
            or key is None
            or not is_pair
            or authority.not_valid_after_utc < now + dt.timedelta(days=LEAF_DAYS)
        ):
            key, authority = _make_authority(now)
            _write(key_path, _pem_key(key))
            _write(authority_path, authority.public_bytes(serialization.Encoding.PEM), mode=0o644)
        leaf, leaf_key = _load(self.files.certificate), _load_key(self.files.key)
        is_pair = leaf is not None and leaf_key is not None and leaf.public_key() == leaf_key.public_key()
        if leaf is not None and is_pair and _is_good(leaf, authority, set(names), now):
            return False
        leaf_key = ec.generate_private_key(ec.SECP256R1())
        leaf = _make_leaf(leaf_key, list(names), (key, authority), now)
        _write(self.files.key, _pem_key(leaf_key))
        chain = leaf.public_bytes(serialization.Encoding.PEM) + authority.public_bytes(serialization.Encoding.PEM)
        _write(self.files.certificate, chain, mode=0o644)
        return True


def _make_authority(now: dt.datetime) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Xiangyun 乡云 {socket.gethostname()}"[:64])])
    builder = _builder(name, name, key.public_key(), now, AUTHORITY_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(is_authority=True), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return key, builder.sign(key, hashes.SHA256())


def _make_leaf(
    key: ec.EllipticCurvePrivateKey,
    names: list[str],
    issuer: tuple[ec.EllipticCurvePrivateKey, x509.Certificate],
    now: dt.datetime,
) -> x509.Certificate:
    issuer_key, authority = issuer
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Xiangyun hub")])
    builder = _builder(subject, authority.subject, key.public_key(), now, LEAF_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(is_authority=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(n) for n in names]), critical=False)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return builder.add_extension(identifier, critical=False).sign(issuer_key, hashes.SHA256())


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: dt.datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now - _BACKDATED + dt.timedelta(days=days))
    )


def _key_usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name.encode("idna").decode())


def _is_good(leaf: x509.Certificate, authority: x509.Certificate, names: set[str], now: dt.datetime) -> bool:
    """Tell whether the leaf is of this authority, lives long enough and carries every name."""
    if leaf.issuer != authority.subject or leaf.not_valid_after_utc < now + dt.timedelta(days=RENEW_BEFORE_DAYS):
        return False
    try:
        leaf.verify_directly_issued_by(authority)
        carried = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return {_general_name(name) for name in names} <= set(carried)


def _load(path: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey | None:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (FileNotFoundError, ValueError):
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None


def _pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write whole or not at all; a key is never readable by others, not even for a moment."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)

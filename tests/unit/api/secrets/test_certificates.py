"""The local authority: a certificate a strict client accepts, renewed in time, keys for nobody else."""

import contextlib
import datetime as dt
import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest
from cryptography import x509

from api.secrets.certificates import AUTHORITY_DAYS, LEAF_DAYS, RENEW_BEFORE_DAYS, LocalAuthority, server_names

NOW = dt.datetime.now(dt.UTC)  # OpenSSL judges by the machine's clock
NAMES = ["localhost", "127.0.0.1", "::1", "乡云.example.cn"]


@pytest.fixture
def authority(tmp_path: Path) -> LocalAuthority:
    made = LocalAuthority(tmp_path / "tls")
    assert made.ensure(NAMES, NOW)
    return made


def leaf(authority: LocalAuthority) -> x509.Certificate:
    return x509.load_pem_x509_certificate(authority.files.certificate.read_bytes())


def handshake(authority: LocalAuthority, name: str) -> str:
    """Serve one TLS connection and connect to it as `name`, trusting only the authority. Return the TLS version."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(authority.files.certificate, authority.files.key)
    client = ssl.create_default_context(cafile=str(authority.files.authority))
    ours, theirs = socket.socketpair()

    def accept() -> None:
        with contextlib.suppress(OSError):
            server.wrap_socket(theirs, server_side=True).recv(1)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        with client.wrap_socket(ours, server_hostname=name) as connection:
            connection.sendall(b"x")
            return connection.version() or ""
    finally:
        ours.close()
        thread.join(5)
        theirs.close()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "乡云.example.cn"])
def test_a_strict_client_accepts_every_name(authority: LocalAuthority, name: str) -> None:
    assert handshake(authority, name) == "TLSv1.3"


def test_a_name_it_does_not_carry_is_refused(authority: LocalAuthority) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(authority, "example.com")


def test_nothing_changes_while_it_is_good(authority: LocalAuthority) -> None:
    before = authority.files.certificate.read_bytes()
    assert not authority.ensure(NAMES[:2], NOW + dt.timedelta(days=LEAF_DAYS - RENEW_BEFORE_DAYS - 3))
    assert authority.files.certificate.read_bytes() == before


def test_a_new_address_makes_a_new_leaf_of_the_same_authority(authority: LocalAuthority) -> None:
    installed = authority.files.authority.read_bytes()
    assert authority.ensure([*NAMES, "10.9.8.7"], NOW)
    assert authority.files.authority.read_bytes() == installed
    assert handshake(authority, "10.9.8.7")


def test_the_leaf_is_renewed_before_it_ends(authority: LocalAuthority) -> None:
    later = NOW + dt.timedelta(days=LEAF_DAYS - RENEW_BEFORE_DAYS + 1)
    old_end = leaf(authority).not_valid_after_utc
    assert authority.ensure(NAMES, later)
    assert leaf(authority).not_valid_after_utc > old_end


def test_the_authority_is_renewed_before_a_leaf_could_outlive_it(authority: LocalAuthority) -> None:
    installed = authority.files.authority.read_bytes()
    assert authority.ensure(NAMES, NOW + dt.timedelta(days=AUTHORITY_DAYS - LEAF_DAYS + 3))
    assert authority.files.authority.read_bytes() != installed


@pytest.mark.parametrize("name", ["ca.key", "server.key", "ca.crt", "server.crt"])
def test_a_broken_file_is_replaced(authority: LocalAuthority, name: str) -> None:
    (authority.files.certificate.parent / name).write_text("-----BEGIN NONSENSE-----")
    authority.ensure(NAMES, NOW)
    assert handshake(authority, "localhost")


def test_keys_are_for_this_user_only(authority: LocalAuthority) -> None:
    for name in ("ca.key", "server.key"):
        assert stat.S_IMODE((authority.files.certificate.parent / name).stat().st_mode) == 0o600


def test_an_authority_signs_no_further_authorities(authority: LocalAuthority) -> None:
    constraints = x509.load_pem_x509_certificate(authority.files.authority.read_bytes()).extensions
    value = constraints.get_extension_for_class(x509.BasicConstraints).value
    assert (value.ca, value.path_length) == (True, 0)


def test_server_names_hold_what_a_browser_may_type() -> None:
    names = server_names(["203.0.113.7"])
    assert {"localhost", "127.0.0.1", "203.0.113.7", socket.gethostname()} <= set(names)

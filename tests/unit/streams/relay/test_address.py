import hashlib
import ssl
import stat
from pathlib import Path

import pytest

from media.base.errors import HubError
from streams.relay.address import RelayAddress, bind_path, binding_of, client_tls, parse_address, server_tls


@pytest.mark.parametrize("text", ["unix:/run/x/relay-0.sock", "tcp:10.0.0.2:7000", "tcp:[::1]:7000"])
def test_addresses_come_back_as_text(text: str) -> None:
    assert str(parse_address(text)) == text


@pytest.mark.parametrize("text", ["", "unix:relative", "tcp:host", "tcp::1", "tcp:h:70000", "tcp:h:x", "http://h:1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(HubError):
        parse_address(text)


def test_the_socket_is_for_this_user_only_and_replaces_a_stale_one(tmp_path: Path) -> None:
    path = tmp_path / "relay.sock"
    bind_path(str(path)).close()
    with bind_path(str(path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert parse_address(f"unix:{path}") == RelayAddress(path=str(path))


def test_both_sides_of_tls_know_the_same_certificate() -> None:
    context, binding = server_tls()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(incoming, outgoing, server_side=True)
    client = client_tls().wrap_bio(outgoing, incoming)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert binding_of(client) == binding
    assert len(binding) == hashlib.sha256().digest_size


def test_without_tls_there_is_nothing_to_bind_to() -> None:
    assert binding_of(None) == b""

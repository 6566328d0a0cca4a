"""One port, many sessions: who gets which datagram, and what strangers can do (nothing)."""

import asyncio
import socket

import pytest
from aioice import stun

from media.base.clock import SystemClock
from streams.webrtc.batch import ANY_LOCAL, PeerAddress
from streams.webrtc.ice import IceAgent, IceEvents
from streams.webrtc.port import ADDRESSES_PER_LINK, UdpPort

BROWSER = ("127.0.0.1", 45_000)


class Heard:
    """Collects what an agent tells its owner."""

    def __init__(self) -> None:
        self.pairs: list[tuple[str, int]] = []
        self.dtls: list[bytes] = []
        self.media: list[bytes] = []
        self.authenticated = 0
        self.lost = 0

    def events(self) -> IceEvents:
        return IceEvents(self.pairs.append, self._lost, self._heard, self.dtls.append, self.media.append)

    def _lost(self) -> None:
        self.lost += 1

    def _heard(self) -> None:
        self.authenticated += 1


@pytest.fixture
async def port():
    made = UdpPort(SystemClock())
    made.open("127.0.0.1")
    yield made
    made.close()


@pytest.fixture
async def agent(port):
    heard = Heard()
    made = IceAgent(port, ("127.0.0.1", "10.0.0.9"), heard.events())
    made.heard = heard
    yield made
    await made.close()


def check(
    agent: IceAgent, *, password: str | None = None, user: str | None = None, nominate: bool = False, **drop
) -> bytes:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = user or f"{agent.local_username}:them"
    if drop.get("priority", True):
        message.attributes["PRIORITY"] = 1
    message.attributes["ICE-CONTROLLING"] = 1
    if nominate:
        message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity((password or agent.local_password).encode())
    return bytes(message)


def test_every_host_is_a_candidate_and_the_first_is_preferred(port, agent):
    first, second = agent.candidate_lines()
    assert f" 127.0.0.1 {port.port} typ host" in first
    assert " 10.0.0.9 " in second
    assert int(first.split()[3]) > int(second.split()[3])
    assert len(agent.local_username) >= 8


def test_an_address_is_bound_only_after_the_integrity_check(port, agent):
    port.receive(b"\x80\xc8" + bytes(20), BROWSER)
    port.receive(check(agent, password="x" * 24), BROWSER)
    port.receive(b"\x80\xc8" + bytes(20), BROWSER)
    assert agent.heard.media == []
    assert (port.counters.unknown_address, port.counters.stun_refused) == (2, 1)
    port.receive(check(agent), BROWSER)
    port.receive(b"\x80\xc8" + bytes(20), BROWSER)
    port.receive(b"\x16\xfe\xfd" + bytes(20), BROWSER)
    assert (len(agent.heard.media), len(agent.heard.dtls), agent.heard.authenticated) == (1, 1, 1)


def test_a_stranger_cannot_take_over_anothers_address(port, agent):
    other = IceAgent(port, ("127.0.0.1",), Heard().events())
    port.receive(check(agent), BROWSER)
    port.receive(check(other, password="y" * 24), BROWSER)
    port.receive(b"\x80\xc8" + bytes(20), BROWSER)
    assert len(agent.heard.media) == 1
    port.receive(check(other), BROWSER)  # whoever knows the password is the peer: an address can be used anew
    port.receive(b"\x80\xc8" + bytes(20), BROWSER)
    assert len(agent.heard.media) == 1
    port.unregister(agent.local_username)
    assert port._by_address == {BROWSER: other}


def test_a_link_cannot_collect_addresses_without_end(port, agent):
    for number in range(100):
        port.receive(check(agent), ("127.0.0.1", 20_000 + number))
    assert len(port._by_address) == ADDRESSES_PER_LINK
    assert port.counters.stun_refused == 100 - ADDRESSES_PER_LINK


def test_a_closed_link_leaves_nothing_behind(port, agent):
    port.receive(check(agent), BROWSER)
    port.unregister(agent.local_username)
    assert (port._by_address, port._by_fragment, port._addresses, port._locals) == ({}, {}, {}, {})
    port.receive(check(agent), BROWSER)
    assert port.counters.stun_unknown_user == 1


@pytest.mark.parametrize(
    ("data", "counter"),
    [
        (b"", "empty"),
        (b"\x00", "stun_malformed"),
        (b"\x00\x01\x00\x04\x21\x12\xa4\x42" + bytes(12), "stun_malformed"),
        (b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12), "stun_unknown_user"),
        (b"\x01\x01\x00\x00\x21\x12\xa4\x42" + bytes(12), "stun_stray_response"),
        (b"\x00\x03\x00\x00\x21\x12\xa4\x42" + bytes(12), "unknown_kind"),
        (b"\x16" + bytes(30), "unknown_address"),
        (b"\xff" * 1400, "unknown_address"),
    ],
)
def test_garbage_is_counted_and_forgotten(port, data, counter):
    port.receive(data, BROWSER)
    assert getattr(port.counters, counter) == 1


def test_a_peer_that_signs_nonsense_is_refused(port, agent):
    port.receive(check(agent, priority=False), BROWSER)
    assert port.counters.stun_refused == 1
    port.receive(check(agent), BROWSER)
    port.receive(b"\x50" * 30, BROWSER)
    assert port.counters.unknown_kind == 1


async def test_answers_leave_from_the_address_that_was_asked():
    """A socket on every interface must not let routing choose: the asker drops an answer from elsewhere."""
    port = UdpPort(SystemClock())
    port.open("0.0.0.0")
    agent = IceAgent(port, ("127.0.0.1",), Heard().events())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.setblocking(False)
        asker.bind(("127.0.0.1", 0))
        for asked in ("127.0.0.2", "127.0.0.3"):
            asker.sendto(check(agent, nominate=True), (asked, port.port))
            async with asyncio.timeout(2):
                _, source = await asyncio.get_running_loop().sock_recvfrom(asker, 2048)
            assert source == (asked, port.port)
        me = asker.getsockname()
        assert socket.inet_ntoa(port.local_of(me)) == "127.0.0.3"
        asker.sendto(check(agent), ("127.0.0.2", port.port))
        async with asyncio.timeout(2):
            _, source = await asyncio.get_running_loop().sock_recvfrom(asker, 2048)
        assert source[0] == "127.0.0.2"
        assert socket.inet_ntoa(port.local_of(me)) == "127.0.0.3", "a check of a spare pair moves no media"
        slot, batch = port.batch.slots[0], port.batch
        slot.view[:5] = b"media"
        address = PeerAddress(*me, port.local_of(me))
        batch.lengths[0] = 5
        batch.add_singles([address.pointer], 0)
        assert batch.send()
        async with asyncio.timeout(2):
            data, source = await asyncio.get_running_loop().sock_recvfrom(asker, 2048)
        assert (data, source) == (b"media", ("127.0.0.3", port.port))
    await agent.close()
    port.close()
    assert port.local_of(me) == ANY_LOCAL


def test_a_taken_port_is_said_at_once(port):
    second = UdpPort(SystemClock())
    with pytest.raises(OSError, match="in use"):
        second.open("127.0.0.1", port.port)
    assert not second.is_open


def test_only_ipv4_addresses_make_peers():
    with pytest.raises(ValueError, match="IPv4"):
        PeerAddress("::1", 5)

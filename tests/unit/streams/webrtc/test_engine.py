"""What peers share, and the clockwork that looks after them."""

import asyncio

from media.base.clock import SystemClock
from streams.fanout import PEOPLE
from streams.webrtc import engine as engine_module
from streams.webrtc.engine import EngineSettings, WebRtcEngine, host_addresses, new_ssrc
from streams.webrtc.peer import PeerEvents
from tests.unit.streams.webrtc.plane import H264


def make(**settings: object) -> WebRtcEngine:
    return WebRtcEngine(EngineSettings(host="127.0.0.1", **settings), SystemClock())


async def test_a_peer_is_answered_with_the_shared_port_and_certificate():
    engine = make(public_addresses=("198.51.100.7",))
    await engine.start()
    events = PeerEvents(lambda: None, lambda _: None, lambda _: None)
    first, second = engine.make_peer(events), engine.make_peer(events)
    ours = [engine.transport_of(peer) for peer in (first, second)]
    assert ours[0].fingerprint == ours[1].fingerprint
    assert ours[0].fingerprint.startswith("sha-256 ")
    assert ours[0].ice_fragment != ours[1].ice_fragment
    assert all(f" 198.51.100.7 {engine.udp_port} typ host" in t.candidates[0] for t in ours)
    for peer in (first, second):
        await peer.aclose()
    await engine.aclose()
    await engine.aclose()
    assert not engine.port.is_open


async def test_a_track_made_by_the_engine_is_one_of_people_and_has_its_pump():
    engine = make()
    await engine.start()
    track = engine.make_track(H264)
    assert track.pump is engine.pump
    assert track.history.limit is PEOPLE
    await engine.aclose()


async def test_everybody_is_looked_after_and_one_who_fails_does_not_stop_the_others(monkeypatch):
    monkeypatch.setattr(engine_module, "SWEEP_S", 0.001)
    engine = make()
    await engine.start()
    seen: list[str] = []
    third = asyncio.Event()

    def good(_now_ns: int) -> None:
        seen.append("good")
        if seen.count("good") == 3:
            third.set()

    def bad(_now_ns: int) -> None:
        seen.append("bad")
        raise RuntimeError

    engine.watch(bad)
    stop = engine.watch(good)
    async with asyncio.timeout(5):
        await third.wait()
    stop()
    seen.clear()
    await asyncio.sleep(0.02)
    assert "bad" not in seen
    assert len(seen) <= 1  # one that was under way
    await engine.aclose()


def test_browsers_are_given_expiring_turn_credentials():
    engine = make(turn_urls=("turn:t.example?transport=tcp",), turn_secret="s")
    (server,) = engine.ice_servers("u1")
    assert server.username.endswith(":u1")
    assert server.credential


def test_ssrcs_are_never_zero_and_addresses_end_with_loopback():
    assert all(new_ssrc() for _ in range(100))
    assert host_addresses()[-1] == "127.0.0.1"

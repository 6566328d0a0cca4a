from dataclasses import replace
from typing import Any

import pytest

from media.base.clock import SystemClock
from media.base.errors import RemoteProtocolError
from media.packet import Codec, CodecParams
from streams.publication import TrackName
from streams.relay.frames import ClockReading, RelayedPacket
from streams.relay.parameters import params_to_json
from streams.relay.remote import RemotePublication, RemoteTimeline
from streams.webrtc.outlet import SourceTrack
from tests.unit.streams.relay.two_workers import ALICE, H264, packet

VP8 = CodecParams(codec=Codec.VP8, clock_rate_hz=90_000)


def told(*indexes: int, params: CodecParams = H264, is_ended: bool = False) -> dict[str, Any]:
    layers = [
        {
            "rid": rid, "index": index, "width": 640, "height": 360, "bitrate_bps": 1, "is_flowing": True,
            "has_keys_on_request": True, "params": params_to_json(params),
        }
        for rid, index in zip("qhf", indexes, strict=False)
    ]  # fmt: skip
    track = {"name": "camera", "is_live": True, "layers": layers}
    return {"stream": 1, "is_ended": is_ended, "tracks": [track]}


def remote() -> RemotePublication:
    return RemotePublication(ALICE, SourceTrack, SystemClock())


def relayed(index: int, seq: int, *, timestamp: int | None = None, is_key: bool = False) -> RelayedPacket:
    made = packet(seq)
    return RelayedPacket(1, index, seq, is_key, made if timestamp is None else made._replace(timestamp=timestamp))


async def test_packets_of_a_new_tapping_follow_those_of_the_last() -> None:
    source = remote()
    source.take_description(told(0))
    history = source.get(TrackName.CAMERA).layers[0].track.history
    source.take_packet(relayed(0, 500, is_key=True))
    source.take_packet(relayed(0, 501))
    source.take_description(told(1))
    source.take_packet(relayed(0, 502))  # of the tapping before
    source.take_packet(relayed(1, 900, is_key=True))
    source.take_packet(relayed(1, 899))  # from before the tapping began
    source.take_packet(relayed(1, 901))
    assert (history.first_seq, history.next_seq) == (500, 504)
    assert [history.get(seq).payload for seq in range(500, 504)] == [packet(n).payload for n in (500, 501, 900, 901)]


async def test_timestamps_of_a_source_that_went_on_are_kept_and_those_of_a_new_life_moved_behind() -> None:
    source = remote()
    source.take_description(told(0))
    track = source.get(TrackName.CAMERA).layers[0].track
    source.take_packet(relayed(0, 1, timestamp=1_000_000, is_key=True))
    source.take_description(told(1))
    source.take_packet(relayed(1, 5, timestamp=1_900_000, is_key=True))
    assert track.last_timestamp == 1_900_000
    source.take_description(told(2))
    source.take_packet(relayed(2, 1, timestamp=77, is_key=True))
    assert track.last_timestamp > 1_900_000


async def test_the_same_tracks_are_kept_and_another_codec_makes_another() -> None:
    source = remote()
    source.take_description(told(0, -1))
    camera = source.get(TrackName.CAMERA)
    camera.watch("q")
    source.take_description(told(3, -1, params=replace(H264, width=1280)))
    assert source.get(TrackName.CAMERA) is camera
    assert camera.layers[0].track.params.width == 1280
    source.take_description(told(4, -1, params=VP8))
    assert source.get(TrackName.CAMERA) is not camera


async def test_a_layer_that_comes_later_joins_the_others() -> None:
    source = remote()
    source.take_description(told(0))
    first = source.get(TrackName.CAMERA).layers[0]
    source.take_description(told(0, -1, -1))
    layers = source.get(TrackName.CAMERA).layers
    assert [layer.rid for layer in layers] == ["q", "h", "f"]
    assert layers[0] is first


async def test_tracks_that_are_gone_are_dropped_and_an_ended_source_ends() -> None:
    source = remote()
    source.take_description(told(0))
    source.take_description({"stream": 1, "is_ended": False, "tracks": []})
    assert source.tracks == ()
    source.take_description(told(0, is_ended=True))
    assert source.is_ended


@pytest.mark.parametrize("broken", [{}, {"tracks": 1, "is_ended": False}, {"tracks": [{}], "is_ended": False}])
async def test_malformed_descriptions_are_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError):
        remote().take_description(broken)


async def test_a_broken_link_lets_viewers_wait_and_asks_again_later() -> None:
    source = remote()
    asked: list[tuple[TrackName, frozenset[str]]] = []
    source.ask_want = lambda name, rids: asked.append((name, rids))
    source.take_description(told(0))
    source.get(TrackName.CAMERA).watch("q")
    source.lost()
    assert not source.get(TrackName.CAMERA).is_live
    source.get(TrackName.CAMERA).watch("h")  # nobody to tell now
    source.ask_want = lambda name, rids: asked.append((name, rids))
    source.take_description(told(0))
    source.ask_all()
    assert asked == [(TrackName.CAMERA, frozenset({"q"})), (TrackName.CAMERA, frozenset({"q", "h"}))]
    assert source.get(TrackName.CAMERA).is_live


def test_a_timeline_runs_on_from_its_last_reading() -> None:
    timeline = RemoteTimeline(90_000)
    assert timeline.at(0) is None
    timeline.told(1000, 5_000_000_000)
    assert timeline.at(6_000_000_000) == 91_000


async def test_the_clock_of_a_layer_is_moved_with_its_timestamps() -> None:
    source = remote()
    source.take_description(told(0))
    track = source.get(TrackName.CAMERA).layers[0].track
    source.take_packet(relayed(0, 1, timestamp=0, is_key=True))
    source.take_clock(ClockReading(1, 0, 450_000, 0))
    now = track.timeline.at(SystemClock().mono_ns())
    assert now is not None
    assert 450_000 <= now < 450_000 + 90_000 * 5

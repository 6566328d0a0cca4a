"""Stills from the GOP cache: shared, cached for a second, and bounded."""

import asyncio

import pytest

from media.base.clock import SimulatedClock
from media.base.errors import ErrorKind, HubError
from media.base.ids import SourceId, StreamKey
from media.ffmpeg.decode import Jpeg
from media.packet import AccessUnit, Codec, CodecParams, Track
from streams.hub import Hub
from streams.snapshot import MAX_CACHED, Snapshotter

KEY = StreamKey(SourceId("camera/a"))
PARAMS = CodecParams(codec=Codec.H264, clock_rate_hz=90_000, parameter_sets=(b"\x67",))


class FakeDecoder:
    def __init__(self) -> None:
        self.asked: list[tuple[bytes, int]] = []
        self.error: HubError | None = None

    async def jpeg(self, _codec, _sets, data: bytes, max_width: int) -> Jpeg:
        self.asked.append((data, max_width))
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return Jpeg(b"jpeg of " + data, max_width, 1)


class Rig:
    def __init__(self) -> None:
        self.hub = Hub()
        self.clock = SimulatedClock()
        self.decoder = FakeDecoder()
        self.snapshots = Snapshotter(self.hub, self.decoder, self.clock)

    def publish(self, data: bytes, key: StreamKey = KEY) -> None:
        stream = self.hub.stream(key)
        if not stream.is_live:
            stream.begin([Track(0, PARAMS)])
        stream.publish(AccessUnit(0, PARAMS, 0, 0, True, data, 0, self.clock.wall_us()))


async def test_the_latest_key_picture_is_shown_with_its_time() -> None:
    rig = Rig()
    rig.publish(b"old")
    rig.clock.advance(2)
    rig.publish(b"new")
    snapshot = await rig.snapshots.take(KEY, 640)
    assert snapshot.jpeg == b"jpeg of new"
    assert snapshot.taken_wall_us == rig.clock.wall_us()


async def test_callers_share_one_decoding_and_a_young_picture_is_served_again() -> None:
    rig = Rig()
    rig.publish(b"1")
    await asyncio.gather(*(rig.snapshots.take(KEY, 640) for _ in range(10)))
    rig.publish(b"2")
    rig.clock.advance(0.5)
    assert (await rig.snapshots.take(KEY, 640)).jpeg == b"jpeg of 1"
    assert len(rig.decoder.asked) == 1
    rig.clock.advance(0.6)
    assert (await rig.snapshots.take(KEY, 640)).jpeg == b"jpeg of 2"
    rig.clock.advance(60)
    await rig.snapshots.take(KEY, 640)
    assert len(rig.decoder.asked) == 2  # the same key picture is still the latest


async def test_each_width_is_its_own_picture() -> None:
    rig = Rig()
    rig.publish(b"1")
    await rig.snapshots.take(KEY, 640)
    await rig.snapshots.take(KEY, 320)
    await rig.snapshots.take(KEY, -5)
    assert [width for _, width in rig.decoder.asked] == [640, 320, 0]


async def test_offline_and_pictureless_streams_say_so() -> None:
    rig = Rig()
    with pytest.raises(HubError) as offline:
        await rig.snapshots.take(KEY)
    rig.hub.stream(KEY).begin([Track(0, PARAMS)])
    with pytest.raises(HubError) as empty:
        await rig.snapshots.take(KEY)
    assert (offline.value.code, empty.value.code) == ("camera_offline", "no_picture")


async def test_a_failure_is_told_to_all_and_tried_again_after_a_second() -> None:
    rig = Rig()
    rig.publish(b"1")
    rig.decoder.error = HubError(ErrorKind.DATA_LOSS, "no", code="not_decodable")
    for _ in range(3):
        with pytest.raises(HubError, match="no"):
            await rig.snapshots.take(KEY)
    assert len(rig.decoder.asked) == 1
    rig.decoder.error = None
    rig.clock.advance(1.1)
    assert (await rig.snapshots.take(KEY)).jpeg == b"jpeg of 1"


async def test_the_cache_is_bounded() -> None:
    rig = Rig()
    for n in range(MAX_CACHED + 20):
        key = StreamKey(SourceId(f"camera/{n}"))
        rig.publish(b"x", key)
        await rig.snapshots.take(key)
    assert len(rig.snapshots._entries) == MAX_CACHED

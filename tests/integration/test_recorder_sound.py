"""G.711 cameras: the sound is in the file as AAC, and its absence never hurts the pictures."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from media.base.clock import SimulatedClock
from media.base.ids import CameraId, Quality
from media.codec.g711 import g711_params
from media.packet import AccessUnit, Codec, EndReason, Track
from recorder.policy import RecordingPolicy
from recorder.recorder import Recorder
from tests.unit.recorder import footage

pytestmark = pytest.mark.foreign
PACKET = 320


def g711_units(codec: Codec, seconds: int) -> list[AccessUnit]:
    params = g711_params(codec)
    units = []
    for number in range(seconds * 8000 // PACKET):
        dts = number * PACKET
        at_us = dts * 125
        data = bytes((0x80 + (n // 8 % 2) * 0x40 + n % 8) for n in range(PACKET))
        units.append(AccessUnit(1, params, dts, dts, True, data, at_us * 1000, footage.WALL_US + at_us))
    return units


async def caught_up(recorder: Recorder, fed_ns: int) -> None:
    """Wait until the child, however busy the machine, is less than half a second behind what it was fed."""
    due = fed_ns * 8 // 1_000_000 // 1024 - 4
    async with asyncio.timeout(30):
        while recorder.transcoder.delivered < due:  # noqa: ASYNC110  # the other end is a process
            await asyncio.sleep(0.005)


async def record(root: Path, codec: Codec, kill_at: int = -1) -> Recorder:
    recorder = Recorder([root], SimulatedClock(footage.WALL_US), "node", 1, lambda *_: None)
    reader = recorder.reader(CameraId("gate"), Quality.MAIN, RecordingPolicy())
    pictures = footage.real_units()
    reader.on_run((Track(0, pictures[0].params), Track(1, g711_params(codec))))
    async with asyncio.timeout(10):
        while recorder.transcoder.pid is None:  # noqa: ASYNC110  # a process has no event to wait for
            await asyncio.sleep(0.01)
    for number, unit in enumerate(footage.merged(iter(pictures), iter(g711_units(codec, 12)))):
        reader.on_unit(unit)
        if number == kill_at and recorder.transcoder.pid is not None:
            os.kill(recorder.transcoder.pid, signal.SIGKILL)
        if number % 50 == 0 and kill_at < 0:
            await caught_up(recorder, unit.received_mono_ns)
    if kill_at >= 0:
        async with asyncio.timeout(10):
            while not recorder.transcoder.restarts:  # noqa: ASYNC110  # the other end is a process
                await asyncio.sleep(0.01)
    reader.on_end(EndReason.DISCONNECTED)
    await recorder.flush()
    return recorder


def only_file(root: Path) -> Path:
    (path,) = root.rglob("*.mp4")
    return path


@pytest.mark.parametrize("codec", [Codec.PCMU, Codec.PCMA])
async def test_sound_is_recorded_as_aac(tmp_path: Path, codec: Codec):
    await (await record(tmp_path, codec)).close()
    path = only_file(tmp_path)
    assert footage.decoded_frames(path) == 300
    shown = footage.probe(path, "-select_streams", "a", "-count_packets", "-show_entries",
                          "stream=codec_name,sample_rate,nb_read_packets", "-of", "csv=p=0")  # fmt: skip
    name, rate, packets = shown.split(",")
    assert (name, rate) == ("aac", "8000")
    assert int(packets) > 12 * 8000 / 1024 * 0.8


async def test_a_dead_child_costs_sound_but_no_picture(tmp_path: Path):
    recorder = await record(tmp_path, Codec.PCMU, kill_at=200)
    await recorder.close()
    path = only_file(tmp_path)
    assert footage.decoded_frames(path) == 300
    assert recorder.transcoder.restarts >= 1

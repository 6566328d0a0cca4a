"""The camera simulator judged by foreign software: ffprobe, ffmpeg, GStreamer."""

import asyncio
import itertools
import json
import shutil
import time

import numpy as np
import pytest

from media.ffmpeg.clips import decode_luma
from media.packet import Codec
from media.rtsp.auth import Scheme
from streams.simulator import timecode
from streams.simulator.server import Simulator, SimulatorOptions

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.skipif(shutil.which("ffprobe") is None, reason="needs ffmpeg"),
]


async def run(*words: str, timeout_s: float = 30) -> tuple[int, bytes, str]:
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), timeout_s)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    return process.returncode or 0, out, err.decode("utf-8", "replace")


async def probe(url: str, transport: str = "tcp") -> list[dict[str, object]]:
    words = ("ffprobe", "-v", "error", "-rtsp_transport", transport, "-of", "json", "-show_streams")
    words += ("-analyzeduration", "1500000", url)
    code, out, err = await run(*words)
    assert code == 0, err
    return json.loads(out)["streams"]


async def pictures(url: str, width: int, height: int, count: int, transport: str = "tcp") -> tuple[list, str]:
    """Return decoded luma planes, and ffmpeg's complaints."""
    words = ["ffmpeg", "-v", "error", "-rtsp_transport", transport, "-i", url, "-an", "-frames:v", str(count)]
    words += ["-fps_mode", "passthrough", "-pix_fmt", "gray", "-f", "rawvideo", "-"]
    code, out, err = await run(*words)
    assert code == 0, err
    size = width * height
    planes = [np.frombuffer(out[i : i + size], np.uint8).reshape(height, width) for i in range(0, len(out), size)]
    return planes, err


def assert_code(plane: np.ndarray, camera: int, loop_s: int) -> timecode.Reading:
    reading = timecode.read(plane)
    assert reading is not None
    assert reading.camera == camera
    assert 0 <= reading.time_ms < loop_s * 1000
    return reading


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_ffmpeg_decodes_every_picture_and_the_pixels_tell_camera_and_wall_clock(transport):
    async with Simulator(SimulatorOptions.small(cameras=3)) as simulator:
        planes, complaints = await pictures(simulator.url(3), 640, 360, 20, transport)
        now_ms = time.time_ns() // 1_000_000
    assert complaints == ""
    readings = [assert_code(plane, 3, 60) for plane in planes]
    assert len(readings) == 20
    steps = {(b.time_ms - a.time_ms) % 60_000 for a, b in itertools.pairwise(readings)}
    assert steps == {100}
    behind_ms = (now_ms - readings[-1].time_ms) % 60_000
    assert behind_ms < 5_000


async def test_sub_stream_has_its_own_size_and_a_loop_of_ten_minutes():
    async with Simulator(SimulatorOptions.small(cameras=1)) as simulator:
        planes, complaints = await pictures(simulator.url(1, "sub"), 320, 180, 5)
        now_ms = time.time_ns() // 1_000_000
    assert complaints == ""
    last = [assert_code(plane, 1, 600) for plane in planes][-1]
    assert (now_ms - last.time_ms) % 600_000 < 5_000


async def test_h265_main_stream_with_h264_sub_stream_decodes_cleanly():
    options = SimulatorOptions.small(cameras=2, codecs={2: Codec.H265}, audios={2: Codec.PCMA})
    async with Simulator(options) as simulator:
        streams, sub = await probe(simulator.url(2)), await probe(simulator.url(2, "sub"))
        planes, complaints = await pictures(simulator.url(2), 640, 360, 15)
    assert [s["codec_name"] for s in streams] == ["hevc", "pcm_alaw"]
    assert [s["codec_name"] for s in sub] == ["h264", "pcm_alaw"]
    assert complaints == ""
    assert all(assert_code(plane, 2, 60) for plane in planes)


async def test_sound_is_announced_in_each_codec():
    audios = {1: Codec.AAC, 2: Codec.PCMA, 3: Codec.PCMU, 4: None}
    async with Simulator(SimulatorOptions.small(cameras=4, audios=audios)) as simulator:
        found = [[s["codec_name"] for s in await probe(simulator.url(camera))] for camera in audios]
    assert found == [["h264", "aac"], ["h264", "pcm_alaw"], ["h264", "pcm_mulaw"], ["h264"]]


@pytest.mark.parametrize("codec", [Codec.AAC, Codec.PCMA, Codec.PCMU])
async def test_the_beep_is_heard_once_a_second(codec):
    async with Simulator(SimulatorOptions.small(cameras=1, audio=codec)) as simulator:
        words = ["ffmpeg", "-v", "error", "-rtsp_transport", "tcp", "-i", simulator.url(1), "-vn", "-t", "4"]
        code, out, err = await run(*words, "-ar", "8000", "-ac", "1", "-f", "s16le", "-")
    assert code == 0, err
    samples = np.abs(np.frombuffer(out, np.int16).astype(np.int32))
    loud = samples[: len(samples) // 400 * 400].reshape(-1, 400).max(axis=1) > 3000  # 50 ms pieces
    starts = np.flatnonzero(loud[1:] & ~loud[:-1])
    assert len(starts) >= 3
    assert all(19 <= gap <= 21 for gap in np.diff(starts))


@pytest.mark.parametrize("schemes", [(Scheme.BASIC,), (Scheme.DIGEST_MD5,), (Scheme.DIGEST_MD5, Scheme.BASIC)])
async def test_ffprobe_gets_in_with_the_password_and_not_without(schemes):
    options = SimulatorOptions.small(cameras=1, username="admin", password="p:w/@1", schemes=schemes)
    async with Simulator(options) as simulator:
        assert (await probe(simulator.url(1)))[0]["codec_name"] == "h264"
        for url in (
            simulator.url(1, with_credentials=False),
            simulator.url(1, with_credentials=False).replace("rtsp://", "rtsp://admin:wrong@"),
        ):
            code, _, err = await run("ffprobe", "-v", "error", "-rtsp_transport", "tcp", url)
            assert code != 0
            assert "401" in err


async def test_unknown_paths_are_not_found():
    async with Simulator(SimulatorOptions.small(cameras=1)) as simulator:
        for path in ("cam2", "cam", "cam1/other/deep", "..", "cam1x"):
            url = simulator.url(1).replace("cam1", path)
            code, _, err = await run("ffprobe", "-v", "error", "-rtsp_transport", "tcp", url)
            assert code != 0, path
            assert "404" in err


async def test_paced_cameras_send_the_same_pictures():
    async with Simulator(SimulatorOptions.small(cameras=1, is_paced=True)) as simulator:
        planes, complaints = await pictures(simulator.url(1), 640, 360, 10)
    assert complaints == ""
    assert all(assert_code(plane, 1, 60) for plane in planes)


async def test_own_footage_is_shown_below_the_code(tmp_path):
    clip = tmp_path / "red.mp4"
    words = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=white:s=320x240:r=10:d=3", str(clip)]
    assert (await run(*words))[0] == 0
    async with Simulator(SimulatorOptions.small(cameras=1, clips=(clip,), cache_dir=tmp_path)) as simulator:
        planes, complaints = await pictures(simulator.url(1), 640, 360, 5)
    assert complaints == ""
    assert_code(planes[-1], 1, 60)
    assert planes[-1][200:, :].mean() > 200


@pytest.mark.skipif(shutil.which("gst-launch-1.0") is None, reason="needs GStreamer")
@pytest.mark.parametrize("protocols", ["tcp", "udp"])
async def test_gstreamer_logs_in_and_takes_the_pictures(protocols, tmp_path):
    taken = tmp_path / "taken.h264"
    options = SimulatorOptions.small(cameras=1, audio=Codec.PCMA, username="u", password="p")
    async with Simulator(options) as simulator:
        words = f"rtspsrc location={simulator.url(1)} protocols={protocols} name=s s. ! rtph264depay ! h264parse"
        words += " ! video/x-h264,stream-format=byte-stream,alignment=au ! identity eos-after=12"
        code, _, err = await run("gst-launch-1.0", *words.split(), "!", "filesink", f"location={taken}")
    assert code == 0, err
    luma = decode_luma(taken.read_bytes(), Codec.H264, 640, 360)
    assert len(luma) >= 10
    for plane in luma:
        assert_code(np.frombuffer(plane, np.uint8).reshape(360, 640), 1, 60)

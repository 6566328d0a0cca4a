"""Ingest of cameras that are not ours: GStreamer's RTSP server, judged by ffprobe where bytes matter."""

import json
import subprocess
import time
from collections.abc import Iterator

import pytest

from media.base.clock import SystemClock
from media.codec.nal import split_length_prefixed, to_annexb
from media.ffmpeg.decoder import KeyFrameDecoder
from media.packet import Codec, EndReason
from media.rtsp.transport import Transport
from streams.ingest.connection import SourceError
from streams.ingest.networks import SourceNetworks
from streams.ingest.probe import Prober
from streams.snapshot import Snapshotter
from tests.integration.fixtures_ingest import Rig, gst_camera

pytestmark = pytest.mark.foreign


@pytest.fixture(scope="module")
def camera() -> Iterator[str]:
    with gst_camera() as url:
        yield url


@pytest.fixture(scope="module")
def digest_camera() -> Iterator[str]:
    with gst_camera("--digest", "admin:pa:ss@1") as url:
        yield url


def decoded_frames(codec: str, data: bytes) -> int:
    judged = subprocess.run(
        ["ffprobe", "-v", "error", "-f", codec, "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "json", "-"],
        input=data, capture_output=True, check=True,
    )  # fmt: skip
    assert judged.stderr == b""
    return int(json.loads(judged.stdout)["streams"][0]["nb_read_frames"])


def described(picture: bytes) -> str:
    judged = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0", "-"],
        input=picture, capture_output=True, check=True,
    )  # fmt: skip
    return judged.stdout.decode().strip()


@pytest.mark.parametrize("transport", list(Transport))
@pytest.mark.parametrize(
    ("path", "codecs"),
    [
        ("/h264", (Codec.H264, Codec.PCMA)),
        ("/h265", (Codec.H265,)),
        ("/aac", (Codec.H264, Codec.AAC)),
        ("/opus", (Codec.H264, Codec.OPUS)),
    ],
)
async def test_tracks_arrive_whole_and_in_order(camera: str, path: str, codecs, transport: Transport) -> None:
    rig = Rig()
    async with rig.playing(camera + path, transport):
        await rig.tape.until(lambda tape: len(tape.of(0)) >= 40)
    (tracks,) = rig.tape.runs
    assert tuple(track.params.codec for track in tracks) == codecs
    pictures = rig.tape.of(0)
    assert pictures[0].is_key
    assert pictures[0].dts == 0
    assert sum(unit.lost_packets for unit in rig.tape.units) == 0
    for track in tracks:
        stamps = [unit.dts for unit in rig.tape.of(track.index)]
        assert len(stamps) > 10
        assert stamps == sorted(set(stamps))
        seconds = (stamps[-1] - stamps[0]) / track.params.clock_rate_hz
        assert seconds == pytest.approx(len(pictures) / 25, abs=0.4)
    nals = [*pictures[0].params.parameter_sets, *(n for u in pictures for n in split_length_prefixed(u.data))]
    name = "h264" if codecs[0] is Codec.H264 else "hevc"
    assert decoded_frames(name, to_annexb(nals)) == len(pictures)
    assert (pictures[0].params.width, pictures[0].params.height) == (320, 240)
    assert rig.tape.ends == [EndReason.SHUTDOWN]


async def test_the_cameras_clock_is_measured(camera: str) -> None:
    rig = Rig()
    async with rig.playing(camera + "/h264") as source:
        await rig.tape.until(lambda _tape: source.stats().clock_offset_ms is not None)
        assert abs(source.stats().clock_offset_ms) < 500  # the same machine


async def test_digest_lets_us_in_with_a_password_full_of_odd_characters(digest_camera: str) -> None:
    rig = Rig()
    async with rig.playing(digest_camera.replace("://", "://admin:pa:ss@1@") + "/video"):
        await rig.tape.until(lambda tape: len(tape.units) > 3)


@pytest.mark.parametrize("userinfo", ["", "admin:wrong@"])
async def test_a_wrong_or_missing_password_is_unauthorized(digest_camera: str, userinfo: str) -> None:
    rig = Rig()
    with pytest.raises(SourceError) as refused:
        await rig.connector(rig.request(digest_camera.replace("://", f"://{userinfo}") + "/video"))
    assert refused.value.reason is EndReason.UNAUTHORIZED
    assert "wrong" not in str(refused.value)


async def test_a_stream_that_does_not_exist_is_not_found(camera: str) -> None:
    rig = Rig()
    with pytest.raises(SourceError) as refused:
        await rig.connector(rig.request(camera + "/nix"))
    assert refused.value.reason is EndReason.NOT_FOUND


async def test_closing_takes_less_than_two_seconds_and_frees_the_camera(camera: str) -> None:
    rig = Rig()
    source = await rig.connector(rig.request(camera + "/video"))
    await rig.tape.until(lambda tape: tape.units != [])
    started_s = time.perf_counter()
    await source.aclose(EndReason.DISABLED)
    assert time.perf_counter() - started_s < 2.0
    assert rig.tape.ends == [EndReason.DISABLED]
    count = len(rig.tape.units)
    async with rig.playing(camera + "/video"):
        await rig.tape.until(lambda tape: len(tape.units) > count)


async def test_a_probe_tells_what_the_camera_carries_and_shows_it(camera: str) -> None:
    decoder = KeyFrameDecoder()
    try:
        prober = Prober(SourceNetworks.parse("127.0.0.0/8"), SystemClock(), decoder)
        found = await prober.probe(camera + "/aac")
        assert found.ok, found
        assert found.tracks == ("h264", "aac")
        assert (found.video.width, found.video.height) == (320, 240)
        assert found.video.fps == pytest.approx(25, abs=1)
        assert found.audio.sample_rate_hz == 16_000
        assert found.preview_jpeg[:2] == b"\xff\xd8"
        missing = await prober.probe(camera + "/nix")
        assert (missing.ok, missing.code) == (False, "not_found")
    finally:
        await decoder.aclose()


async def test_a_snapshot_is_a_picture_of_the_stream(camera: str) -> None:
    rig = Rig()
    decoder = KeyFrameDecoder()
    snapshots = Snapshotter(rig.hub, decoder, SystemClock())
    try:
        async with rig.playing(camera + "/h265"):
            await rig.tape.until(lambda tape: tape.units != [])
            snapshot = await snapshots.take(rig.key, 160)
        assert (snapshot.width, snapshot.height) == (160, 120)
        assert described(snapshot.jpeg) == "mjpeg,160,120"
    finally:
        await snapshots.aclose()
        await decoder.aclose()

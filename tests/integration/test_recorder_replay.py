"""Recorded footage as foreign software sees it: ffprobe and ffmpeg over HTTP."""

import asyncio
import random
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.fixtures_recorder import Recorded, record, served
from tests.unit.recorder import footage

pytestmark = pytest.mark.foreign


@pytest.fixture(scope="module", params=["libx264", "libx265"])
def recorded(request, tmp_path_factory):
    root: Path = tmp_path_factory.mktemp("volume")

    async def make() -> None:
        await (await record(root, request.param)).close()

    asyncio.run(make())
    with served(root) as found:
        yield found


def test_every_segment_decodes_without_complaint(recorded: Recorded):
    files = sorted(recorded.root.rglob("*.mp4"))
    assert [footage.decoded_frames(path) for path in files] == [100, 100, 100]


def test_the_playlist_plays_with_every_picture(recorded: Recorded):
    url = f"{recorded.url}/playback.m3u8?{recorded.query(0, 12)}&query=camera_id%3Dgate"
    assert footage.decoded_frames(url) == 300


def test_the_virtual_file_has_every_picture_and_its_sound(recorded: Recorded):
    url = f"{recorded.url}/playback.mp4?{recorded.query(0, 12)}"
    assert footage.decoded_frames(url) == 300
    shown = footage.probe(url, "-show_entries", "format=duration:stream=codec_type,nb_frames", "-of", "compact")
    assert "duration=12.0" in shown
    assert "codec_type=audio|nb_frames=18" in shown


def test_the_virtual_file_starts_at_the_picture_asked_for(recorded: Recorded):
    url = f"{recorded.url}/playback.mp4?{recorded.query(3.0, 9.0)}"
    shown = footage.probe(url, "-show_entries", "format=duration,start_time", "-of", "csv=p=0")
    assert [float(number) for number in shown.split(",")] == pytest.approx([0.0, 6.0], abs=0.001)
    assert footage.decoded_frames(url) == 150


def test_any_range_equals_the_slice_of_the_whole(recorded: Recorded):
    url = f"{recorded.url}/playback.mp4?{recorded.query(1.5, 11)}"
    whole = httpx.get(url)
    assert whole.status_code == 200
    size = len(whole.content)
    assert int(whole.headers["content-length"]) == size
    rng = random.Random(7)
    for _ in range(40):
        start = rng.randrange(size)
        end = rng.randrange(start, size)
        answer = httpx.get(url, headers={"Range": f"bytes={start}-{end}", "If-Range": whole.headers["etag"]})
        assert answer.status_code == 206
        assert answer.headers["content-range"] == f"bytes {start}-{end}/{size}"
        assert answer.content == whole.content[start : end + 1]


def test_http_conditions_are_honoured(recorded: Recorded):
    url = f"{recorded.url}/playback.mp4?{recorded.query(0, 12)}"
    etag = httpx.head(url).headers["etag"]
    assert httpx.get(url, headers={"If-None-Match": etag}).status_code == 304
    assert httpx.get(url, headers={"Range": "bytes=0-9", "If-Range": '"other"'}).status_code == 200
    assert httpx.get(url, headers={"Range": "bytes=-10"}).status_code == 206
    beyond = httpx.get(url, headers={"Range": "bytes=99999999-"})
    assert beyond.status_code == 416
    assert beyond.headers["content-range"].startswith("bytes */")


def test_a_segment_gives_no_byte_outside_the_granted_time(recorded: Recorded):
    playlist = httpx.get(f"{recorded.url}/playback.m3u8?{recorded.query(0, 2)}").text
    address = next(line for line in playlist.splitlines() if ".mp4?" in line and not line.startswith("#"))
    url = f"{recorded.url}/{address}&camera_id=gate"
    first = httpx.get(url, headers={"Range": "bytes=0-"})
    assert first.status_code == 206
    allowed = int(first.headers["content-range"].split("/")[0].split("-")[1]) + 1
    assert httpx.get(url, headers={"Range": f"bytes={allowed + 4096}-"}).status_code == 416
    assert httpx.get(url.replace("gate", "other"), headers={"Range": "bytes=0-"}).status_code == 404


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/recordings?camera_id=gate&start=2026-01-02T00:00:00Z&end=2026-01-01T00:00:00Z", "invalid_range"),
        ("/recordings?camera_id=gate&start=2016-01-02T00:00:00Z&end=2026-01-01T00:00:00Z", "range_too_long"),
        ("/recordings?camera_id=gate&start=yesterday&end=2026-01-01T00:00:00Z", "invalid_time"),
        ("/recordings?camera_id=..%2Fetc&start=2026-01-01T00:00:00Z&end=2026-01-02T00:00:00Z", "invalid_id"),
        ("/playback.m3u8?camera_id=gate&start=2026-01-01T00:00:00Z&end=2026-01-02T00:00:00Z", "no_footage"),
        ("/playback.mp4?camera_id=gate&start=2026-01-01T00:00:00Z&end=2026-01-02T00:00:00Z", "no_footage"),
        ("/calendar?camera_id=gate&month=2026-13", "invalid_month"),
        ("/segments/none/1.mp4?camera_id=gate&start=2026-01-01T00:00:00Z&end=2026-01-02T00:00:00Z", "segment_gone"),
        ("/segments/none/99999999999999999999.mp4?camera_id=gate&start=2026-01-01T00:00:00Z&end=2026-01-02T00:00:00Z", "segment_gone"),
        ("/playback.mp4?camera_id=gate", "invalid"),
    ],
)  # fmt: skip
def test_nonsense_gets_a_problem_document(recorded: Recorded, path: str, code: str):
    answer = httpx.get(recorded.url + path)
    assert answer.status_code in (400, 404)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code


def test_the_timeline_and_the_storage_page_tell_what_there_is(recorded: Recorded):
    found = httpx.get(f"{recorded.url}/recordings?{recorded.query(-5, 20)}").json()
    assert len(found["spans"]) == 1
    assert [gap["reason"] for gap in found["gaps"]] == ["not_recorded", "disconnected"]
    assert found["recorded_s"] == pytest.approx(12.0, abs=0.01)
    assert found["completeness"] == pytest.approx(12 / 20, abs=0.01)
    days = httpx.get(f"{recorded.url}/calendar?camera_id=gate&month=2025-11").json()["days"]
    assert [(day["date"], day["recorded_s"]) for day in days] == [("2025-11-22", 12)]
    stock = httpx.get(f"{recorded.url}/storage").json()
    assert stock["cameras"][0]["camera_id"] == "gate"
    assert stock["volumes"][0]["free_bytes"] > 0


async def test_a_minute_ago_is_there_while_the_segment_is_still_open(tmp_path: Path):
    """Every complete fragment is served; the last second is still in memory."""
    recorder = await record(tmp_path, end=False)
    frames, listed = await asyncio.to_thread(_look, tmp_path)
    await recorder.close()
    assert frames == [275, 275]
    assert listed["gaps"] == []


def _look(root: Path) -> tuple[list[int], dict[str, Any]]:
    with served(root, footage.WALL_US + 12_000_000) as found:
        urls = [f"{found.url}/playback.{kind}?{found.query(0, 12)}&query=camera_id%3Dgate" for kind in ("mp4", "m3u8")]
        listed = httpx.get(f"{found.url}/recordings?{found.query(0, 12)}").json()
        return [footage.decoded_frames(url) for url in urls], listed

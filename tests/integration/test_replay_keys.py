"""Key-frame play as foreign software sees it: exactly the key pictures, each where and when the footage has it."""

import asyncio
import re
from pathlib import Path

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


def playlist(found: Recorded, start_s: float, end_s: float, *, keys: bool) -> str:
    more = "&keys=1" if keys else ""
    return f"{found.url}/playback.m3u8?{found.query(start_s, end_s)}&query=camera_id%3Dgate{more}"


def pictures(url: str, *options: str) -> list[tuple[float, str]]:
    """Return when each picture is shown and the MD5 of its pixels, as ffprobe and ffmpeg decode `url`."""
    shown = footage.probe(url, *options, "-select_streams", "v", "-show_entries", "frame=pts_time", "-of", "csv=p=0")
    times = [float(line.strip(",")) for line in shown.splitlines() if line.strip(",")]
    return list(zip(times, [fields[-1].strip() for fields in footage.decoded(url, *options)], strict=True))


@pytest.mark.parametrize(("start_s", "end_s"), [(0, 12), (5, 7), (2.5, 9)])
def test_exactly_the_key_pictures_of_the_ordinary_playlist_at_the_same_times(recorded: Recorded, start_s, end_s):
    expected = pictures(playlist(recorded, start_s, end_s, keys=False), "-skip_frame", "nokey")
    found = pictures(playlist(recorded, start_s, end_s, keys=True))
    assert len(found) == {0: 6, 5: 2, 2.5: 6}[start_s]
    assert found == expected


def test_the_last_picture_lasts_to_the_end_and_there_is_no_sound(recorded: Recorded, tmp_path: Path):
    address = addresses(recorded, 3, 6)[0]
    pieces = [httpx.get(url).content for url in (map_of(recorded), f"{recorded.url}/{address}&camera_id=gate")]
    file = tmp_path / "one.mp4"
    file.write_bytes(b"".join(pieces))
    shown = footage.probe(file, "-show_entries", "packet=pts_time:format=nb_streams,duration", "-of", "compact")
    assert shown.splitlines() == [
        "packet|pts_time=0.000000",
        "packet|pts_time=2.000000",
        "format|nb_streams=1|duration=4.000000",
    ]


def test_the_bytes_are_those_of_the_key_pictures(recorded: Recorded):
    urls = [f"{recorded.url}/{line}&camera_id=gate" for line in addresses(recorded, 0, 12)]
    answers = [httpx.get(url) for url in urls]
    assert [int(answer.headers["content-length"]) for answer in answers] == [len(a.content) for a in answers]
    key_bytes = sum(len(unit.data) for unit in footage.real_units(codec_of(recorded)) if unit.is_key)
    assert 0 < sum(len(answer.content) for answer in answers) - key_bytes < 200 * len(urls)
    head = httpx.head(urls[0])
    assert (head.headers["content-length"], head.content) == (answers[0].headers["content-length"], b"")


def addresses(found: Recorded, start_s: float, end_s: float) -> list[str]:
    text = httpx.get(f"{found.url}/playback.m3u8?{found.query(start_s, end_s)}&keys=1").text
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def map_of(found: Recorded) -> str:
    text = httpx.get(f"{found.url}/playback.m3u8?{found.query(0, 12)}&keys=1").text
    init = re.search(r'URI="([^"]+)"', text)
    assert init is not None
    return f"{found.url}/{init[1]}&camera_id=gate"


def codec_of(found: Recorded) -> str:
    return "libx264" if b"avcC" in httpx.get(map_of(found)).content else "libx265"


@pytest.mark.parametrize(
    ("ticks", "status", "code"),
    [
        ("0-99999999", 416, "outside_window"),
        ("360000-360000", 416, "outside_window"),
        ("360000-90000", 416, "outside_window"),
        ("1-2", 404, "no_key_picture"),
        ("abc", 400, "invalid_ticks"),
        ("-1-5", 400, "invalid_ticks"),
        ("1" * 40 + "-2", 400, "invalid_ticks"),
    ],
)
def test_nothing_outside_the_granted_time_and_nonsense_is_refused(recorded: Recorded, ticks, status, code):
    address = addresses(recorded, 0, 2)[0]
    url = f"{recorded.url}/{re.sub(r'ticks=[^&]+', f'ticks={ticks}', address)}&camera_id=gate"
    answer = httpx.get(url)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_the_window_of_another_segment_opens_neither_pictures_nor_init(recorded: Recorded):
    address = addresses(recorded, 0, 2)[0]
    moved = re.sub(r"start=.*&ticks", f"{recorded.query(9, 11).partition('&')[2]}&ticks", address)
    for url in (moved, moved.partition("&ticks")[0]):
        answer = httpx.get(f"{recorded.url}/{url}&camera_id=gate")
        assert (answer.status_code, answer.json()["code"]) == (416, "outside_window")
    foreign = httpx.get(f"{recorded.url}/{address}&camera_id=other")
    assert (foreign.status_code, foreign.json()["code"]) == (404, "segment_gone")


async def test_key_pictures_of_the_segment_still_being_written_are_there(tmp_path: Path):
    recorder = await record(tmp_path, end=False)

    def look() -> int:
        with served(tmp_path, footage.WALL_US + 12_000_000) as found:
            return len(pictures(playlist(found, 0, 12, keys=True)))

    shown = await asyncio.to_thread(look)
    await recorder.close()
    assert shown == 6

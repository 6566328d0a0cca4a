"""The recorder by itself: CPU from unit to disk, virtual MP4 and playlist of an hour (also cold), the 90-day index.

Footage is synthetic (1080p25 at 2 Mbit/s, GOP 2 s, AAC on half of the cameras) and fed as fast as it is taken; the
CPU per second of media is what a live camera costs. BENCH_RECORD_S=20 seconds of media for 64 cameras;
BENCH_VOLUME names a directory on the disk to measure, else a temporary one.
"""

import asyncio
import contextlib
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import structlog

from media.base.clock import SimulatedClock, rfc3339
from media.base.ids import CameraId, Quality
from media.container.hls import Chunk, pack_chunks
from media.packet import AccessUnit, EndReason, Track
from recorder.index.migrate import INDEX_NAME
from recorder.index.rows import SegmentRow, SegmentState
from recorder.index.writer import IndexWriter
from recorder.policy import DAY_US, RecordingPolicy
from recorder.recorder import Recorder
from recorder.replay.app import Stretch, calendar, recordings
from recorder.replay.bodies import Replay
from recorder.replay.catalog import Catalog
from recorder.replay.mp4 import PinnedMp4, Request, make
from recorder.replay.playlist import Links, make_playlist
from recorder.volume import open_volume
from tests.bench.measure import save, table
from tests.unit.recorder import footage

CAMERAS = 64
RECORD_S = int(os.environ.get("BENCH_RECORD_S", "20"))
PICTURE_BYTES = 9500
HOUR_US = 3_600_000_000
START = footage.WALL_US


def gop(first: int, sound: bool) -> list[AccessUnit]:
    """Two seconds of one camera: 50 pictures, the first three times as large, 31 or 32 sound frames."""
    pictures = footage.video(2, first=first, size=PICTURE_BYTES)
    if not sound:
        return list(pictures)
    frames = footage.audio(2, first=round(first / 25 * 16_000 / 1024))
    return footage.merged(pictures, frames)


async def feed(root: Path, cameras: int, seconds: int) -> dict[str, float]:
    """Record `seconds` of `cameras` cameras as fast as the disk takes them; return CPU and wall figures."""
    clock = SimulatedClock(START)
    recorder = Recorder([root], clock, "bench", 1, lambda *_: None)
    readers = [recorder.reader(CameraId(f"cam{n}"), Quality.MAIN, RecordingPolicy()) for n in range(cameras)]
    tracks = ((Track(0, footage.params()),), (Track(0, footage.params()), Track(1, footage.AAC)))
    for number, reader in enumerate(readers):
        reader.on_run(tracks[number % 2])
    cpu = loop_cpu = wall = 0.0
    slowest = 0.0
    units = 0
    for second in range(0, seconds, 2):
        batches = [gop(second * 25, bool(number % 2)) for number in range(2)]
        clock.advance(2)
        before, began = time.process_time(), time.perf_counter()
        thread_before = time.thread_time()
        for number, reader in enumerate(readers):
            one = time.perf_counter()
            for unit in batches[number % 2]:
                reader.on_unit(unit)
            slowest = max(slowest, time.perf_counter() - one)
            units += len(batches[number % 2])
        loop_cpu += time.thread_time() - thread_before
        await recorder.flush()
        cpu += time.process_time() - before
        wall += time.perf_counter() - began
    for reader in readers:
        reader.on_end(EndReason.DISCONNECTED)
    await recorder.close()
    dropped = sum(reader.dropped for reader in readers)
    return {
        "cpu_s": cpu,
        "loop_cpu_s": loop_cpu,
        "wall_s": wall,
        "units": units,
        "dropped": dropped,
        "slowest": slowest,
    }


def timed(work: Callable[[], Any], times: int = 5) -> tuple[float, Any]:
    """Return the median milliseconds of `work`, and its last result."""
    taken = []
    result = None
    for _ in range(times):
        began = time.perf_counter()
        result = work()
        taken.append((time.perf_counter() - began) * 1000)
    return sorted(taken)[len(taken) // 2], result


def drop_cache(root: Path) -> None:
    """Drop the volume's files from the page cache; the rest of the machine keeps its own."""
    for path in root.rglob("*"):
        if path.is_file():
            fd = os.open(path, os.O_RDONLY)
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


def hour(root: Path) -> list[tuple[str, float | str]]:
    """Build and read the virtual MP4 and the playlist of an hour, warm and cold."""
    wanted = Request("cam0", "main", START + 1_000_000, START + HOUR_US)

    def build() -> PinnedMp4:
        catalog = Catalog([root])
        try:
            return make(catalog.segments(*("cam0", "main"), wanted.start_us, wanted.end_us), wanted, 0)
        finally:
            catalog.close()

    def first_byte() -> PinnedMp4:
        made = build()
        next(iter(made.read(0, 1 << 20)))
        return made

    def playlist() -> str:
        catalog = Catalog([root])
        items = catalog.segments("cam0", "main", wanted.start_us, wanted.end_us)
        catalog.close()
        return make_playlist(items, Links("segments", "", wanted.start_us, wanted.end_us))

    warm_ms, made = timed(first_byte)
    send_ms, _ = timed(lambda: sum(len(part) for part in made.read(0, made.layout.size_bytes)), 1)
    playlist_ms, _ = timed(playlist)
    rows: list[tuple[str, float | str]] = [
        ("virtual MP4 1 h, first byte, warm, ms", warm_ms),
        ("virtual MP4 1 h, head, kB", len(made.layout.head) / 1000),
        ("virtual MP4 1 h, size, MB", made.layout.size_bytes / 1e6),
        ("virtual MP4 1 h, whole file read, ms", send_ms),
        ("playlist 1 h, warm, ms", playlist_ms),
    ]
    drop_cache(root)
    with counted_reads() as reads:
        cold_ms, made = timed(first_byte, 1)
    rows.append(("virtual MP4 1 h, first byte, cold cache, ms", cold_ms))
    rows.append(("  reads of segment files before it, per segment", reads[0] / len(made.descriptors)))
    return rows


@contextlib.contextmanager
def counted_reads() -> Iterator[list[int]]:
    """Count calls of pread."""
    counts = [0]
    real = os.pread

    def pread(fd: int, size: int, offset: int) -> bytes:
        counts[0] += 1
        return real(fd, size, offset)

    os.pread = pread
    try:
        yield counts
    finally:
        os.pread = real


def concat_ms(root: Path) -> float:
    """Return how long ffmpeg's concat demuxer needs for the same hour, for comparison."""
    files = sorted((root / "footage" / "cam0").rglob("*.mp4"), key=lambda p: int(p.stem.rpartition("-")[2]))
    listing = root / "concat.txt"
    listing.write_text("".join(f"file '{path}'\n" for path in files))
    began = time.perf_counter()
    subprocess.run(
        ["ffmpeg", "-v", "quiet", "-y", "-f", "concat", "-safe", "0", "-i", str(listing), "-c", "copy", "-f", "mp4", os.devnull],
        check=False,
    )  # fmt: skip
    return (time.perf_counter() - began) * 1000


async def record_hour(root: Path) -> None:
    """Record an hour of one camera."""
    clock = SimulatedClock(START)
    recorder = Recorder([root], clock, "bench", 1, lambda *_: None)
    reader = recorder.reader(CameraId("cam0"), Quality.MAIN, RecordingPolicy())
    reader.on_run((Track(0, footage.params()), Track(1, footage.AAC)))
    for second in range(0, 3600, 2):
        for unit in gop(second * 25, sound=True):
            reader.on_unit(unit)
        if second % 20 == 0:
            await recorder.flush()
    reader.on_end(EndReason.DISCONNECTED)
    await recorder.close()


def fill_index(root: Path, cameras: int, days: int) -> float:
    """Write the index of `days` days of `cameras` cameras, interleaved as they come; return MB per camera-month."""
    volume = open_volume(root)
    index = IndexWriter(volume.path(INDEX_NAME))
    config = index.ensure_config(b"moov", ())
    rng = random.Random(1)
    streams = [index.ensure_stream(f"cam{n}", "main", 90, 90).id for n in range(cameras)]
    run_of = {stream: index.add_run(stream, START, 1, "node") for stream in streams}
    for number in range(days * 288):
        for stream in streams:
            start_us = START + number * 300_000_000 + stream * 1000
            sizes = [rng.randrange(1_400_000, 1_600_000) for _ in range(50)]
            chunks = pack_chunks([Chunk(0, size, 540_000) for size in sizes])
            body = sum(sizes) + 1700
            index.put_segment(
                SegmentRow(
                    id=index.take_segment_id(), stream_id=stream, run_id=run_of[stream], config_id=config,
                    state=SegmentState.CLOSED, opened_us=start_us, start_us=start_us, wall_us=300_000_000,
                    media_start=number * 27_000_000, media_ticks=27_000_000, timescale=90_000, init_bytes=1700,
                    body_bytes=body, file_bytes=body + 66_000, lost_packets=0, chunks=chunks, seal=rng.randbytes(32),
                )
            )  # fmt: skip
        if number % 12 == 0:
            index.commit()
    index.close()
    size = (root / INDEX_NAME).stat().st_size
    return size / 1e6 / cameras / (days / 30)


def index_figures(root: Path) -> list[tuple[str, float | str]]:
    """Size of the index, and the questions the console asks of it."""
    small = root / "month"
    size_mb = fill_index(small, 8, 30)
    big = root / "quarter"
    fill_index(big, 3, 90)
    now = START + 90 * DAY_US
    replay = Replay([big], SimulatedClock(now), None)
    list_ms, _ = timed(lambda: recordings(Stretch("cam0", rfc3339(START), rfc3339(now)), replay))
    calendar_ms, _ = timed(lambda: calendar("cam0", "2025-12", replay))
    moments = [START + random.Random(2).randrange(89 * DAY_US) for _ in range(20)]
    seek_ms, _ = timed(lambda: [replay.catalog.segments("cam0", "main", at, at + 1_000_000) for at in moments])
    replay.close()
    return [
        ("index, MB per camera-month (GOP 2 s)", size_mb),
        ("list 90 days of one camera, warm, ms", list_ms),
        ("calendar month, ms", calendar_ms),
        ("find one moment in 90 days, ms", seek_ms / len(moments)),
    ]


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    base = Path(tempfile.mkdtemp(prefix="bench-recorder-", dir=os.environ.get("BENCH_VOLUME")))
    try:
        found = asyncio.run(feed(base / "feed", CAMERAS, RECORD_S))
        media_s = CAMERAS * RECORD_S
        rows: list[tuple[str, float | str]] = [
            (f"unit to disk, % of a core per camera at {CAMERAS}", found["cpu_s"] / media_s * 100),
            ("  of which on the loop", found["loop_cpu_s"] / media_s * 100),
            ("  CPU per unit, all threads, us", found["cpu_s"] / found["units"] * 1e6),
            ("  dropped fragments", found["dropped"]),
            ("  times faster than real time", RECORD_S / found["wall_s"]),
        ]
        shutil.rmtree(base / "feed")
        asyncio.run(record_hour(base / "hour"))
        rows += hour(base / "hour")
        rows.append(("ffmpeg concat of the same hour, ms", concat_ms(base / "hour")))
        shutil.rmtree(base / "hour")
        rows += index_figures(base)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    shown = [{"figure": figure, "value": value} for figure, value in rows]
    table("recorder, replay and index", shown)
    save("recorder_index", shown)


if __name__ == "__main__":
    main()

"""For tests of faults: cameras on a thread of their own, and a look at a volume from outside the hub."""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from media.base.errors import RemoteProtocolError
from recorder.index.migrate import INDEX_NAME
from recorder.index.queries import IndexQueries
from recorder.index.rows import GapRow, SegmentRow, SegmentState, StreamRow
from recorder.store import fragments_from, read_front, segment_files
from recorder.volume import Volume, open_volume, segment_path
from streams.simulator.options import SimulatorOptions
from streams.simulator.server import Simulator
from tests.hub_process import HubProcess, children, wait_for

GOP_S = 1.0
"""Of `SimulatorOptions.small`."""
HEAL_S = 10.0 + GOP_S
"""CONTRACT: an outage is a gap of at most 10 s and one GOP."""
SLOT_BACK_S = 3.0


class Cameras:
    """A simulator on its own thread; its switches may be thrown from the test."""

    def __init__(self, options: SimulatorOptions) -> None:
        self.options = options
        self.longest_lag_s = 0.0
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._simulator: Simulator | None = None
        self._done: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="cameras", daemon=True)

    async def _serve(self) -> None:
        self._loop, self._done = asyncio.get_running_loop(), asyncio.Event()
        async with Simulator(self.options) as self._simulator:
            self._ready.set()
            while not self._done.is_set():
                due_s = self._loop.time() + 0.1
                await asyncio.sleep(0.1)
                self.longest_lag_s = max(self.longest_lag_s, self._loop.time() - due_s)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(90), "the simulator did not come up"
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        assert self._done is not None
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(10)

    def call(self, work: Callable[[Simulator], Any]) -> Any:
        """Run `work` on the simulator's loop and return its result."""

        async def run() -> Any:
            assert self._simulator is not None
            return work(self._simulator)

        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def url(self, camera: int, quality: str = "main") -> str:
        assert self._simulator is not None
        return self._simulator.url(camera, quality)

    def set_defect(self, camera: int, *names: str) -> None:
        self.call(lambda simulator: simulator.set_defect(camera, *names))


@dataclass(frozen=True)
class Footage:
    """A stream as index and files tell it at one moment."""

    stream: StreamRow
    segments: tuple[SegmentRow, ...]
    gaps: tuple[GapRow, ...]
    end_us: int


class Shelf:
    """A volume, read as anybody may: through its index and its files."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def volume(self) -> Volume:
        return open_volume(self.root, create=False)

    @contextlib.contextmanager
    def index(self) -> Iterator[IndexQueries]:
        index = IndexQueries.open(self.root / INDEX_NAME)
        try:
            yield index
        finally:
            index.close()

    def footage(self) -> dict[str, Footage]:
        """Return what the index says, by camera."""
        with self.index() as index, index.snapshot():
            return {stream.camera_id: self._footage(index, stream) for stream in index.streams()}

    def goes_on(self, camera_ids: list[str]) -> bool:
        """Tell whether footage stands behind each camera's last gap; the index hears of it after the worker does."""
        return self._is_told(camera_ids, lambda footage: footage.gaps[-1].end_us if footage.gaps else 0)

    def reaches(self, camera_ids: list[str], moment_us: int) -> bool:
        """Tell whether each camera's footage reaches `moment_us`; the last seconds are on their way to the index."""
        return self._is_told(camera_ids, lambda _: moment_us)

    def _is_told(self, camera_ids: list[str], beyond: Callable[[Footage], int | None]) -> bool:
        found = self.footage()
        return all(
            camera in found and (from_us := beyond(found[camera])) is not None and found[camera].end_us > from_us
            for camera in camera_ids
        )

    def _footage(self, index: IndexQueries, stream: StreamRow) -> Footage:
        segments = tuple(index.all_segments(stream.id))
        end_us = 0
        for row in segments:
            wall_us = row.wall_us
            if row.state is SegmentState.OPEN:
                wall_us = index.open_extent(row.id)[0] * 1_000_000 // row.timescale
            end_us = max(end_us, row.start_us + wall_us)
        return Footage(stream, segments, tuple(index.gaps(stream.id, 0, 1 << 60)), end_us)

    def whole(self) -> dict[str, bytes]:
        """Return the files' bytes up to their last whole fragment, by path."""
        found = {}
        for path in segment_files(self.volume):
            with contextlib.suppress(FileNotFoundError):
                found[path] = self._whole(path)
        return found

    def _whole(self, path: str) -> bytes:
        fd = os.open(self.root / path, os.O_RDONLY)
        try:
            front = read_front(fd)
            ends = [fragment.end for fragment in fragments_from(fd, front.init_bytes)]
            return os.pread(fd, ends[-1] if ends else 0, 0)
        except RemoteProtocolError:
            return b""
        finally:
            os.close(fd)

    def path_of(self, footage: Footage, row: SegmentRow) -> Path:
        stream = footage.stream
        return self.root / segment_path(stream.camera_id, stream.quality, row.opened_us, row.id)


def gaps_since(footage: Footage, since_us: int) -> list[GapRow]:
    """Return the gaps that begin or last after `since_us`."""
    return [gap for gap in footage.gaps if gap.end_us is None or gap.end_us > since_us]


def is_recording(hub: HubProcess, camera_ids: list[str]) -> bool:
    """Tell whether every one of the cameras is being recorded, as the worker says it."""
    states = worker_states(hub)
    return all(states.get(camera, {}).get("recording", {}).get("state") == "recording" for camera in camera_ids)


def worker_states(hub: HubProcess) -> dict[str, Any]:
    """Ask worker 0 for the states of its cameras; empty while it is down."""
    answer = ask_socket(hub, "worker-0.sock", "/cameras")
    return dict(answer["items"]) if answer else {}


def ask_socket(hub: HubProcess, socket: str, path: str) -> Any:
    """GET from a private app of the hub; None while it does not answer 200."""
    transport = httpx.HTTPTransport(uds=str(hub.data_dir / "run" / socket))
    try:
        with httpx.Client(transport=transport, base_url="http://private", timeout=2) as client:
            answer = client.get(path)
            return answer.json() if answer.status_code == 200 else None
    except httpx.HTTPError:
        return None


def now_us() -> int:
    return time.time_ns() // 1000


def seconds_until(condition: Callable[[], object], what: str, timeout_s: float, since_s: float) -> float:
    """Wait for `condition` and return the seconds from `since_s` (monotonic) until it held."""
    wait_for(what, condition, max(0.1, timeout_s - (time.monotonic() - since_s)), every_s=0.05)
    return time.monotonic() - since_s


def family(hub: HubProcess) -> set[int]:
    """Return the process ids of the hub and all its descendants."""
    assert hub.process is not None
    return {hub.process.pid, *(pid for pid, _ in children(hub.process.pid))}


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class LiveViewer:
    """A person who watches a camera of the hub: aiortc on a thread of its own, over the public API."""

    def __init__(self, hub: HubProcess, camera_id: str) -> None:
        self.frames = 0
        self.last_frame_s = 0.0
        self.session = ""
        self._hub, self._camera_id = hub, camera_id
        self._stop = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="viewer", daemon=True)

    def start(self) -> Self:
        self._thread.start()
        return self

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10)

    def wait_frames(self, count: int, timeout_s: float) -> None:
        wait_for(f"{count} pictures are seen", lambda: self._failed or self.frames >= count, timeout_s)
        assert self._failed is None, repr(self._failed)

    def _run(self) -> None:
        try:
            asyncio.run(self._watch())
        except BaseException as error:  # told to the test
            self._failed = error

    async def _watch(self) -> None:
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        connection.addTransceiver("video", direction="recvonly")
        tracks: list[Any] = []
        connection.on("track", tracks.append)
        await connection.setLocalDescription(await connection.createOffer())
        answer = await asyncio.to_thread(self._post, connection.localDescription.sdp)
        assert answer.status_code == 201, answer.text
        self.session = answer.headers["Location"]
        await connection.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(tracks[0].recv(), 1.0)
                self.frames += 1
                self.last_frame_s = time.monotonic()
        await connection.close()

    def _post(self, offer: str) -> httpx.Response:
        return self._hub.http.post(
            f"/api/v1/cameras/{self._camera_id}/whep", content=offer, headers={"Content-Type": "application/sdp"}
        )

"""Four browsers and a camera in one room for a while, and what that leaves behind in the worker."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.hub_process import wait_for
from tests.integration.fixtures_live import CAMERA_PASSWORD, simulator
from tests.integration.fixtures_session import Meeting, Seat, meeting, until

PAGES = 4
SAMPLE_S = 2.0
_LAG = re.compile(r"^xiangyun_worker_loop_lag_seconds\{[^}]*\} (\S+)$", re.MULTILINE)

_PICTURES = """async () => {
  const found = {};
  (await s.down.getStats()).forEach((r) => {
    if (r.type === 'inbound-rtp' && r.kind === 'video' && r.framesDecoded)
      found[r.mid] = {frames: r.framesDecoded, frozen_s: r.totalFreezesDuration || 0};
  });
  return found;
}"""


@dataclass(frozen=True)
class Footprint:
    """What a worker holds: threads by name, descriptors, memory."""

    threads: tuple[str, ...]
    descriptors: int
    rss_bytes: int


def footprint(pid: int) -> Footprint:
    """Look at a process."""
    proc = Path(f"/proc/{pid}")
    threads = sorted((task / "comm").read_text().strip() for task in (proc / "task").iterdir())
    pages = int((proc / "statm").read_text().split()[1])
    return Footprint(tuple(threads), len(list((proc / "fd").iterdir())), pages * 4096)


@dataclass
class Gathering:
    """The people in the room, each watching everybody else and the camera."""

    room: Meeting
    seats: list[Seat]
    pid: int
    before: Footprint
    lags_s: list[float] = field(default_factory=list)
    rss: list[tuple[float, int]] = field(default_factory=list)

    def last(self, duration_s: float) -> None:
        """Let time pass and look at the worker while it does."""
        began_s = time.monotonic()
        while (passed_s := time.monotonic() - began_s) < duration_s:
            self.seats[0].page.wait_for_timeout(SAMPLE_S * 1000)
            self.lags_s.append(self.lag_s())
            self.rss.append((passed_s, footprint(self.pid).rss_bytes))

    def lag_s(self) -> float:
        """Return the longest wait of the worker's loop since the last look."""
        found = _LAG.findall(httpx.get(f"{self.room.hub.url}/metrics", headers=self.room.hub.http.headers).text)
        return max(map(float, found))

    def pictures(self) -> list[dict[str, dict[str, float]]]:
        """Return frames and frozen seconds of every picture on every page."""
        return [seat.run(_PICTURES) for seat in self.seats]

    def rss_slope_bytes_per_min(self, after_s: float) -> float:
        """Return the least-squares slope of the worker's memory from `after_s` on."""
        points = [(at_s / 60, size) for at_s, size in self.rss if at_s >= after_s]
        mean_x = sum(x for x, _ in points) / len(points)
        mean_y = sum(y for _, y in points) / len(points)
        spread = sum((x - mean_x) ** 2 for x, _ in points)
        return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread

    def figure(self, name: str) -> float:
        """Return a gauge of the worker."""
        text = httpx.get(f"{self.room.hub.url}/metrics", headers=self.room.hub.http.headers).text
        found = re.findall(rf"^xiangyun_worker_{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE)
        return sum(map(float, found))

    def leave(self) -> None:
        """Let everybody go, and wait until the worker holds nothing of them."""
        for seat in self.seats:
            seat.ask("leave")
            seat.page.context.close()
        wait_for("no session is left", lambda: self.figure("sessions") == 0, 30)
        wait_for("nothing is published", lambda: self.figure("published_tracks") == 0, 30)


@contextmanager
def gathering(data_dir: Path) -> Iterator[Gathering]:
    """Run a hub, bring four pages and a camera together, and wait until everybody sees everybody."""
    with meeting(data_dir) as room, simulator(1) as url:
        hub = room.hub
        hub.add_camera("gate", url.replace("rtsp://", f"rtsp://operator:{CAMERA_PASSWORD}@"))
        hub.wait_online("gate")
        pid = hub.pids()["worker 0"]
        warm = room.sit(room.join())  # what is made once and kept belongs to the baseline
        warm.publish()
        warm.open()
        warm.ask("leave")
        warm.page.context.close()
        before = footprint(pid)
        seats = [room.sit(room.join())] + [room.sit(room.join_as_guest(f"村民{n}")) for n in range(1, PAGES)]
        together = Gathering(room, seats, pid, before)
        for seat in seats:
            assert seat.publish()["type"] == "published"
            assert seat.open(video=PAGES, audio=3)["type"] == "slots"
        shown = hub.http.post(f"/api/v1/rooms/{room.room_id}/cameras/gate")
        assert shown.status_code < 300, shown.text
        for seat in seats:
            for other in seats:
                if other is not seat:
                    seat.watch(f"participant/{other.participant_id}")
            seat.watch("camera/gate", "video")
        until(lambda: all(len(each) == PAGES for each in together.pictures()), 60)
        yield together

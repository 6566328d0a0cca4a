"""Every defect of the simulator on a camera of its own beside healthy ones, recorded by one real hub.

The healthy ones lose no packet and write every fragment of a second; the others are back, on disk, within the
time that `streams.simulator.defects` states. File sizes are watched from outside the hub.
"""

import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from streams.simulator.defects import DEFECTS
from streams.simulator.options import SimulatorOptions
from tests.hub_process import HubProcess, wait_for
from tests.integration.fixtures_faults import GOP_S, Cameras, Shelf, is_recording, worker_states

pytestmark = pytest.mark.slow

HEALTHY = 5
WATCH_S = 32.0
CURED_AFTER_S = 12.0
"""Defects that let nothing through are switched off then."""
WRITE_S = 1.9
"""A fragment that is missing would make it two; how near to one it is, is a figure for the reader of the output."""
FRAGMENT_S = 1.0
BACK_S = {
    "drop": 3.0,
    "silence": 31.0,
    "stale-session": 3.0,
    "no-marker": 0.0,
    "ts-jump": GOP_S,
    "ts-wrap": 0.0,
    "reorder-loss": 0.0,
    "sps-change": GOP_S,
    "no-sps": 0.0,
    "nonce-change": 0.0,
    "slow-drip": 31.0,
}
"""From the registry's `recovery`; the cameras' GOP where it says one."""
DEAF = ("silence", "slow-drip")
"""They record nothing before they are cured."""


@dataclass
class Pulse:
    """When each camera's footage grew (monotonic seconds)."""

    shelf: Shelf
    grew: dict[str, list[float]] = field(default_factory=dict)
    longest_blink_s: float = 0.0
    _sizes: dict[str, int] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        last_s = time.monotonic()
        while not self._stop.wait(0.05):
            now_s = time.monotonic()
            self.longest_blink_s = max(self.longest_blink_s, now_s - last_s)
            last_s = now_s
            for directory in (self.shelf.root / "footage").glob("*/main"):
                size = sum(path.stat().st_size for path in directory.rglob("*.mp4"))
                camera = directory.parent.name
                if size > self._sizes.get(camera, 0):
                    self._sizes[camera] = size
                    self.grew.setdefault(camera, []).append(now_s)

    def stop(self) -> None:
        self._stop.set()

    def longest_s(self, camera: str, since_s: float, until_s: float) -> float:
        """Return the longest time without a write."""
        at = [since_s, *(s for s in self.grew.get(camera, []) if since_s <= s <= until_s), until_s]
        return max(after - before for before, after in itertools.pairwise(at))

    def first_s(self, camera: str, since_s: float) -> float:
        return next((at for at in self.grew.get(camera, []) if at > since_s), float("inf"))


@dataclass
class Story:
    pulse: Pulse
    stalled_s: float
    shelf: Shelf
    started_s: float
    cured_s: float
    ended_s: float
    states: dict[str, dict[str, object]]
    offline: dict[str, set[object]]


def camera_of(number: int) -> str:
    names = [*sorted(DEFECTS), *(f"healthy-{n}" for n in range(1, HEALTHY + 1))]
    return names[number - 1]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    data = tmp_path_factory.mktemp("defects") / "data"
    numbers = range(1, len(DEFECTS) + HEALTHY + 1)
    defects = {n: (camera_of(n),) for n in numbers if camera_of(n) in DEFECTS}
    options = SimulatorOptions.small(cameras=len(numbers), defects=defects, username="admin", password="p@ss:1")
    with Cameras(options) as cameras, HubProcess(data) as hub:
        hub.login()
        for number in numbers:
            hub.add_camera(camera_of(number), cameras.url(number))
        at_once = [camera_of(n) for n in numbers if camera_of(n) not in DEAF]
        wait_for("all who can are recorded", lambda: is_recording(hub, at_once), 40)
        time.sleep(2)
        yield watch(hub, cameras, Shelf(data / "recordings"))


def watch(hub: HubProcess, cameras: Cameras, shelf: Shelf) -> Story:
    pulse = Pulse(shelf)
    thread = threading.Thread(target=pulse.look, daemon=True)
    thread.start()
    cameras.longest_lag_s = 0.0
    started_s = time.monotonic()
    offline: dict[str, set[object]] = {}

    def look_until(until_s: float) -> None:
        while time.monotonic() < until_s:
            for camera, state in worker_states(hub).items():
                if state["reason"]:
                    offline.setdefault(camera, set()).add(state["reason"])
            time.sleep(0.5)

    look_until(started_s + 5)
    stale = sorted(DEFECTS).index("stale-session") + 1
    cameras.call(lambda simulator: simulator.disconnect(stale))
    look_until(started_s + CURED_AFTER_S)
    for name in DEAF:
        cameras.set_defect(sorted(DEFECTS).index(name) + 1)
    cured_s = time.monotonic()
    look_until(started_s + WATCH_S)
    limit_s = cured_s + max(BACK_S[name] for name in DEAF)
    while time.monotonic() < limit_s and any(pulse.first_s(name, cured_s) == float("inf") for name in DEAF):
        time.sleep(0.2)
    ended_s = time.monotonic()
    states = worker_states(hub)
    pulse.stop()
    thread.join(2)
    stalled_s = max(cameras.longest_lag_s, pulse.longest_blink_s - 0.05)
    print(f"\nthe test itself stood still for {stalled_s:.2f} s at most")
    return Story(pulse, stalled_s, shelf, started_s, cured_s, ended_s, states, offline)


@pytest.mark.parametrize("number", range(1, HEALTHY + 1))
def test_a_healthy_neighbour_loses_nothing_and_writes_every_second(story: Story, number: int) -> None:
    camera = f"healthy-{number}"
    assert story.states[camera]["packets_lost"] == 0
    assert camera not in story.offline
    longest_s = story.pulse.longest_s(camera, story.started_s, story.ended_s)
    print(f"\nFAULT {camera}: 0 packets lost, a write at least every {longest_s:.2f} s")
    assert longest_s <= WRITE_S + story.stalled_s
    footage = story.shelf.footage()[camera]
    assert [gap.reason for gap in footage.gaps if gap.reason != "starting"] == []
    assert sum(row.lost_packets for row in footage.segments) == 0


@pytest.mark.parametrize("name", sorted(set(DEFECTS) - set(DEAF)))
def test_a_defect_costs_no_more_than_it_states(story: Story, name: str) -> None:
    """Time between writes is the outage and up to two fragments: the one cut off and the first one after."""
    longest_s = story.pulse.longest_s(name, story.started_s, story.ended_s)
    gaps = [((gap.end_us or gap.start_us) - gap.start_us) / 1e6 for gap in story.shelf.footage()[name].gaps[1:]]
    print(f"\nFAULT {name}: longest gap {max(gaps, default=0.0):.2f} s ({len(gaps)}), a write every {longest_s:.2f} s")
    assert max(gaps, default=0.0) <= BACK_S[name] + GOP_S + story.stalled_s
    assert longest_s <= BACK_S[name] + 2 * FRAGMENT_S + GOP_S + story.stalled_s
    if BACK_S[name] == 0:
        assert gaps == []


@pytest.mark.parametrize("name", DEAF)
def test_a_deaf_camera_is_noticed_and_back_after_its_cure(story: Story, name: str) -> None:
    assert story.offline[name] & {"silent", "timeout"}
    back_s = story.pulse.first_s(name, story.cured_s) - story.cured_s
    print(f"\nFAULT {name}: recorded again {back_s:.1f} s after its cure")
    assert back_s <= BACK_S[name] + GOP_S + FRAGMENT_S

"""Every defect of the simulator on a camera of its own, beside healthy ones, for forty seconds; then the verdicts."""

import asyncio
import itertools

import pytest

from media.base.clock import SystemClock
from media.base.ids import CameraId, StreamKey, camera_source
from media.packet import EndReason
from streams.hub import Hub
from streams.ingest.connector import RtspConnector
from streams.ingest.networks import SourceNetworks
from streams.registry import Registry
from streams.simulator.defects import DEFECTS
from streams.simulator.options import SimulatorOptions
from streams.simulator.server import Simulator
from streams.source import CameraConfig, ConnectGate, SupervisorWorld
from streams.status import SourceState, SourceStatus
from tests.integration.fixtures_ingest import Tape

pytestmark = pytest.mark.slow

CURED_AFTER_S = 14.0
STORY_S = 42.0
HEALTHY = 4
GOP_S = 2.0
FPS = SimulatorOptions.small(cameras=1).fps


class Story:
    """What was seen of each camera: its tape, its last status, and its states on the way."""

    def __init__(self) -> None:
        self.names = [*sorted(DEFECTS), *["healthy"] * HEALTHY]
        self.tapes = {n: Tape() for n in self.numbers}
        self.told: dict[int, list[SourceStatus]] = {n: [] for n in self.numbers}
        self.last: dict[int, SourceStatus] = {}
        self.stalled_s = 0.0
        """The longest time for which cameras and hub, which share the loop, stood still together."""

    @property
    def numbers(self) -> range:
        return range(1, len(self.names) + 1)

    def of(self, defect: str) -> int:
        return self.names.index(defect) + 1

    def gaps_s(self, n: int) -> list[float]:
        """Times between one picture and the next, by arrival."""
        at = [unit.received_mono_ns for unit in self.tapes[n].of(0)]
        return [(b - a) / 1e9 for a, b in itertools.pairwise(at)]

    async def tell(self) -> None:
        defects = {n: (name,) for n, name in zip(self.numbers, self.names, strict=True) if name in DEFECTS}
        options = SimulatorOptions.small(
            cameras=len(self.names), port=0, defects=defects, username="admin", password="p@ss:1"
        )
        async with Simulator(options) as simulator:
            hub, clock = Hub(), SystemClock()
            connector = RtspConnector(hub, clock, SourceNetworks.parse("127.0.0.0/8"))
            registry = Registry(hub, SupervisorWorld(connector, clock, ConnectGate()), self._on_status)
            configs = {}
            for n in self.numbers:
                camera_id = CameraId(f"c{n}")
                hub.stream(StreamKey(camera_source(camera_id))).attach(self.tapes[n])
                configs[camera_id] = CameraConfig(camera_id=camera_id, source_url=simulator.url(n))
            feel = asyncio.create_task(self._feel_stalls())
            await registry.reconcile(configs)
            await asyncio.sleep(5.0)
            simulator.disconnect(self.of("stale-session"))
            await asyncio.sleep(CURED_AFTER_S - 5.0)
            for name in ("silence", "slow-drip"):
                simulator.set_defect(self.of(name), None)
            await asyncio.sleep(STORY_S - CURED_AFTER_S)
            self.last = {n: registry.status(CameraId(f"c{n}")) for n in self.numbers}
            feel.cancel()
            await registry.aclose()
            for n in self.numbers:
                assert simulator.viewers(n) == 0

    async def _feel_stalls(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + 0.1
            await asyncio.sleep(0.1)
            self.stalled_s = max(self.stalled_s, loop.time() - due_s)

    def _on_status(self, camera_id: CameraId, status: SourceStatus) -> None:
        self.told[int(camera_id[1:])].append(status)

    def reasons(self, n: int) -> set[str]:
        return {status.reason for status in self.told[n] if status.reason}


@pytest.fixture(scope="module")
def story() -> Story:
    told = Story()

    async def tell() -> None:
        told.__init__()
        await told.tell()

    asyncio.run(tell())
    print(f"\nthe loop stood still for {told.stalled_s:.2f} s at most")
    return told


def test_every_camera_is_online_at_the_end(story: Story) -> None:
    offline = {
        story.names[n - 1]: status.reason for n, status in story.last.items() if status.state is not SourceState.ONLINE
    }
    assert offline == {}


def test_healthy_neighbours_lose_nothing_and_never_pause(story: Story) -> None:
    for n in story.numbers[-HEALTHY:]:
        assert story.last[n].packets_lost == 0
        assert len(story.tapes[n].runs) == 1
        assert len(story.tapes[n].of(0)) > FPS * (STORY_S - GOP_S - 2 - story.stalled_s)
        assert max(story.gaps_s(n)) < 1.0 + story.stalled_s


def test_every_timeline_is_strictly_increasing(story: Story) -> None:
    for n in story.numbers:
        last = -1
        for unit in story.tapes[n].of(0):
            assert unit.dts > last or unit.dts == 0
            assert unit.pts >= unit.dts
            last = unit.dts


def test_drop_is_back_within_three_seconds(story: Story) -> None:
    n = story.of("drop")
    assert story.tapes[n].ends.count(EndReason.DISCONNECTED) >= 3
    assert max(story.gaps_s(n)) < 3.5 + story.stalled_s


def test_silence_is_noticed_after_ten_seconds_and_ends_with_its_cure(story: Story) -> None:
    n = story.of("silence")
    assert story.reasons(n) == {"silent"}
    assert len(story.tapes[n].runs) == 1


def test_a_stale_session_is_torn_down_so_that_the_next_is_let_in(story: Story) -> None:
    n = story.of("stale-session")
    assert len(story.tapes[n].runs) == 2
    assert max(story.gaps_s(n)) < 5.0 + story.stalled_s


def test_missing_markers_do_not_matter(story: Story) -> None:
    n = story.of("no-marker")
    assert len(story.tapes[n].runs) == 1
    assert story.last[n].video.fps == pytest.approx(FPS, abs=1)


def test_a_timestamp_jump_begins_a_new_run_within_a_gop_on_the_same_connection(story: Story) -> None:
    n = story.of("ts-jump")
    assert story.tapes[n].ends.count(EndReason.TIMESTAMPS) >= 3
    assert set(story.tapes[n].ends) == {EndReason.TIMESTAMPS, EndReason.SHUTDOWN}
    assert max(story.gaps_s(n)) < GOP_S + 0.5 + story.stalled_s


@pytest.mark.parametrize("defect", ["ts-wrap", "no-sps", "nonce-change"])
def test_what_needs_no_recovery_is_not_noticed(story: Story, defect: str) -> None:
    n = story.of(defect)
    assert len(story.tapes[n].runs) == 1
    assert story.reasons(n) == set()
    assert max(story.gaps_s(n)) < 1.0 + story.stalled_s


def test_lost_and_swapped_packets_cost_pictures_and_not_the_run(story: Story) -> None:
    n = story.of("reorder-loss")
    assert story.last[n].packets_lost > 0
    assert len(story.tapes[n].runs) == 1
    assert sum(unit.lost_packets for unit in story.tapes[n].of(0)) > 0


def test_a_changing_size_is_carried_by_the_units_of_one_run(story: Story) -> None:
    n = story.of("sps-change")
    assert len(story.tapes[n].runs) == 1
    sizes = [(unit.params.width, unit.params.height) for unit in story.tapes[n].of(0)]
    changes = sum(a != b for a, b in itertools.pairwise(sizes))
    assert len(set(sizes)) == 2
    assert 2 <= changes <= 6


def test_a_dripping_camera_is_given_up_and_comes_back(story: Story) -> None:
    n = story.of("slow-drip")
    assert "timeout" in story.reasons(n)

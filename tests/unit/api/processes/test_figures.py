"""What a worker tells Prometheus: bounded labels, counters that only rise."""

from pathlib import Path
from typing import Any

from prometheus_client.core import Metric

from api.processes.figures import Rising, WorkerFigures
from recorder.recorder import State
from tests.unit.recorder import footage
from tests.unit.recorder.world import World


def samples(figures: WorkerFigures) -> dict[tuple[str, ...], float]:
    families: list[Metric] = list(figures.collect())
    return {(s.name.removeprefix("xiangyun_worker_"), *s.labels.values()): s.value for f in families for s in f.samples}


def camera(state: str, recording: str, **more: Any) -> dict[str, Any]:
    return {"state": state, "recording": {"state": recording}, **more}


def test_cameras_and_recordings_are_counted_by_state() -> None:
    states = {
        "a": camera("online", "recording", bitrate_bps=2_000_000),
        "b": camera("online", "stopped", bitrate_bps=1_000_000),
        "c": camera("offline", "waiting", bitrate_bps=None),
    }
    found = samples(WorkerFigures("n/0", lambda: states))
    assert found["cameras", "n/0", "online"] == 2
    assert found["cameras", "n/0", "offline"] == 1
    assert found["recordings", "n/0", "stopped"] == 1
    assert found["ingest_bps", "n/0"] == 3_000_000


def test_counters_that_begin_again_with_every_connection_only_rise() -> None:
    states = {"a": camera("online", "off", packets_received=100, packets_lost=3)}
    figures = WorkerFigures("n/0", lambda: states)
    assert samples(figures)["packets_received_total", "n/0"] == 100
    states["a"] = camera("online", "off", packets_received=40, packets_lost=0)
    states["b"] = camera("online", "off", packets_received=5, packets_lost=1)
    found = samples(figures)
    assert (found["packets_received_total", "n/0"], found["packets_lost_total", "n/0"]) == (145, 4)
    states.clear()
    assert samples(figures)["packets_received_total", "n/0"] == 145


def test_sessions_that_end_stay_counted() -> None:
    rising = Rising()
    assert rising.add([("x", 5), ("y", 1)]) == 6
    assert rising.add([("y", 4)]) == 9
    assert rising.add([]) == 9


async def test_volumes_tell_room_queue_and_bytes(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        reader = await world.run(footage.video(6), end=None)
        assert reader.status.state is State.RECORDING
        figures = WorkerFigures("n/0", dict)
        figures.volumes = lambda: world.recorder.writers
        found = samples(figures)
    where = ("n/0", str(tmp_path))
    assert 0 < found["volume_free_bytes", *where] < found["volume_total_bytes", *where]
    assert found["volume_accepts", *where] == 1
    assert found["volume_queue_bytes", *where] == 0
    assert found["volume_written_bytes_total", *where] > 1000
    assert found["volume_failed_writes_total", *where] == 0

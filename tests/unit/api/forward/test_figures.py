"""`/metrics` holds the figures of every process, also while one of them is away."""

import asyncio
import time
from typing import Any

import httpx
import pytest
from fastapi import Response
from prometheus_client.parser import text_string_to_metric_families

from api.context import WorkerLink
from api.forward import figures
from tests.fakes.control import FakePrivate, Plane
from tests.fakes.control_fixtures import *  # noqa: F403

TEXT = """# HELP xiangyun_worker_cameras Cameras by state
# TYPE xiangyun_worker_cameras gauge
xiangyun_worker_cameras{{state="online",worker="n/{n}"}} {n}.0
# HELP xiangyun_worker_packets_lost_total Packets
# TYPE xiangyun_worker_packets_lost_total counter
xiangyun_worker_packets_lost_total{{worker="n/{n}"}} 7.0
"""


def client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://worker")


@pytest.fixture
def workers(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> list[FakePrivate]:
    """Two workers."""
    fakes = [FakePrivate(answers={"/metrics": Response(TEXT.format(n=n))}) for n in range(2)]
    links = [WorkerLink(f"n/{number}", client(fake.app())) for number, fake in enumerate(fakes)]

    async def both() -> list[WorkerLink]:
        return links

    monkeypatch.setattr(plane.workers, "all", both)
    return fakes


async def read(plane: Plane) -> dict[tuple[str, str], float]:
    answer = await plane.client.get("/metrics")
    assert answer.status_code == 200
    families = list(text_string_to_metric_families(answer.text))
    names = [family.name for family in families]
    assert len(names) == len(set(names)), "a name stands twice"
    return {(s.name, s.labels.get("worker", "")): s.value for f in families for s in f.samples}


async def test_the_figures_of_all_processes_are_merged(plane: Plane, workers: list[FakePrivate]) -> None:
    footage = '# TYPE xiangyun_replay_footage_bytes gauge\nxiangyun_replay_footage_bytes{volume="/v"} 5.0\n'
    plane.replay.answers["/metrics"] = Response(footage)
    found = await read(plane)
    assert [found["xiangyun_worker_cameras", f"n/{n}"] for n in range(2)] == [0.0, 1.0]
    assert [found["xiangyun_worker_packets_lost_total", f"n/{n}"] for n in range(2)] == [7.0, 7.0]
    assert [found["xiangyun_worker_up", f"n/{n}"] for n in range(2)] == [1.0, 1.0]
    assert found["xiangyun_replay_up", ""] == 1.0
    assert found["xiangyun_replay_footage_bytes", ""] == 5.0
    assert ("xiangyun_live_sessions", "") in found


async def test_a_worker_that_hangs_costs_a_bounded_time_and_only_its_own_figures(
    plane: Plane, workers: list[FakePrivate], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "FIGURES_TIMEOUT_S", 0.1)
    workers[0].before_answer.append(lambda: asyncio.sleep(30))
    started_s = time.monotonic()
    found = await read(plane)
    assert time.monotonic() - started_s < 5
    assert (found["xiangyun_worker_up", "n/0"], found["xiangyun_worker_up", "n/1"]) == (0.0, 1.0)
    assert ("xiangyun_worker_cameras", "n/0") not in found
    assert found["xiangyun_worker_cameras", "n/1"] == 1.0


@pytest.mark.parametrize("answer", [Response("nonsense {", 200), Response("", 500)])
async def test_an_answer_that_is_none_counts_as_silence(
    plane: Plane, workers: list[FakePrivate], answer: Response
) -> None:
    workers[0].answers["/metrics"] = answer
    found = await read(plane)
    assert (found["xiangyun_worker_up", "n/0"], found["xiangyun_worker_up", "n/1"]) == (0.0, 1.0)


async def test_without_the_shared_state_the_hubs_own_figures_remain(plane: Plane) -> None:
    plane.state.is_down = plane.workers.is_down = True
    assert ("xiangyun_live_sessions", "") in await read(plane)

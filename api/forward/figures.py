"""The figures of all processes in one exposition: asked of workers and replay at once, merged, in bounded time.

Called by `GET /metrics`. A process that does not answer within `FIGURES_TIMEOUT_S` is missing but for its
`xiangyun_worker_up` or `xiangyun_replay_up` of 0. What cannot be parsed counts as no answer.
"""

import asyncio
from collections.abc import Iterable, Iterator

import httpx
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from api.context import ApiContext, WorkerLink
from media.base.errors import HubError

FIGURES_TIMEOUT_S = 1.5
"""Prometheus gives up after 10 s by default; a dead worker must not cost the figures of the living."""


async def gather_figures(ctx: ApiContext) -> bytes:
    """Return the exposition text of every worker's and replay's figures."""
    try:
        links = await ctx.workers.all()
    except HubError:
        links = []
    answers = await asyncio.gather(*(_ask(link.client) for link in links), _ask(ctx.replay))
    *of_workers, of_replay = answers
    families = [family for answer in answers if answer is not None for family in answer]
    merged = [*_merged(families), *_presence(links, of_workers, is_replay_up=of_replay is not None)]
    registry = CollectorRegistry()
    registry.register(_Ready(merged))
    return generate_latest(registry)


async def _ask(client: httpx.AsyncClient) -> list[Metric] | None:
    try:
        async with asyncio.timeout(FIGURES_TIMEOUT_S):
            answer = await client.get("/metrics")
        return list(text_string_to_metric_families(answer.text)) if answer.status_code == 200 else None
    except (httpx.HTTPError, TimeoutError, ValueError):
        return None


def _merged(families: Iterable[Metric]) -> list[Metric]:
    """Return each family once, with the samples of all: a name may stand in an exposition only once."""
    found: dict[str, Metric] = {}
    for family in families:
        known = found.setdefault(family.name, family)
        if known is not family:
            known.samples.extend(family.samples)
    return list(found.values())


def _presence(
    links: Iterable[WorkerLink], answers: Iterable[list[Metric] | None], *, is_replay_up: bool
) -> Iterator[Metric]:
    worker_up = GaugeMetricFamily("xiangyun_worker_up", "Whether the worker answers", labels=["worker"])
    for link, answer in zip(links, answers, strict=True):
        worker_up.add_metric([link.slot], float(answer is not None))
    yield worker_up
    yield GaugeMetricFamily("xiangyun_replay_up", "Whether the replay process answers", value=float(is_replay_up))


class _Ready(Collector):
    """Families already made."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families

"""Figures of the replay process for Prometheus: what rests on the volumes as replay sees them.

Called on a worker thread of the replay app when somebody asks its `/metrics`. Labels are volumes, never cameras.
"""

import time
from collections.abc import Iterator

from fastapi import FastAPI, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from recorder.replay.catalog import Catalog


class ReplayFigures(Collector):
    """Reads the catalog."""

    def __init__(self, catalog: Catalog) -> None:
        """Look at `catalog` whenever asked."""
        self._catalog = catalog

    def collect(self) -> Iterator[Metric]:
        """Yield the figures of now; a volume that is away is missing."""
        footage = GaugeMetricFamily("xiangyun_replay_footage_bytes", "Footage at rest", labels=["volume"])
        streams = GaugeMetricFamily("xiangyun_replay_streams", "Streams with footage", labels=["volume"])
        for volume, stock in self._catalog.stock():
            footage.add_metric([str(volume.root)], float(sum(stream.file_bytes for stream, _ in stock)))
            streams.add_metric([str(volume.root)], float(sum(bounds is not None for _, bounds in stock)))
        yield footage
        yield streams
        yield CounterMetricFamily("xiangyun_replay_cpu_seconds", "Processor time used", value=time.process_time())


def add_figures(app: FastAPI, catalog: Catalog) -> None:
    """Give the replay app its `/metrics`."""
    collected = CollectorRegistry()
    collected.register(ReplayFigures(catalog))

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(collected), media_type="text/plain; version=0.0.4; charset=utf-8")

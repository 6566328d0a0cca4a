"""Figures of a worker for Prometheus, read when somebody asks and not before.

One collector per worker, called on the event loop by the private app's `/metrics`. Labels are bounded: states and
reasons, never camera ids.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class WorkerFigures(Collector):
    """Counts what the camera states and the other parts tell."""

    def __init__(self, slot: str, read: Callable[[], Mapping[str, dict[str, Any]]]) -> None:
        """Label everything with `slot`."""
        self._slot = slot
        self._read = read
        self.gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        """Name → (help, reader) of further single figures, added by the wiring."""

    def collect(self) -> Iterator[Metric]:
        """Yield the figures of now."""
        states = list(self._read().values())
        yield self._by_label("xiangyun_worker_cameras", "Cameras by state", "state", (s.get("state") for s in states))
        recording = (s["recording"].get("state") for s in states if s.get("recording"))
        yield self._by_label("xiangyun_worker_recordings", "Cameras by recording state", "state", recording)
        rate = GaugeMetricFamily("xiangyun_worker_ingest_bps", "Bits per second from cameras", labels=["slot"])
        rate.add_metric([self._slot], float(sum(s.get("bitrate_bps") or 0 for s in states)))
        yield rate
        cpu = CounterMetricFamily("xiangyun_worker_cpu_seconds", "Processor time used", labels=["slot"])
        cpu.add_metric([self._slot], time.process_time())
        yield cpu
        for name, (help_text, read) in self.gauges.items():
            gauge = GaugeMetricFamily(f"xiangyun_worker_{name}", help_text, labels=["slot"])
            gauge.add_metric([self._slot], read())
            yield gauge

    def _by_label(self, name: str, help_text: str, label: str, values: Iterator[object]) -> GaugeMetricFamily:
        family = GaugeMetricFamily(name, help_text, labels=["slot", label])
        for value, count in Counter(str(value) for value in values).items():
            family.add_metric([self._slot, value], float(count))
        return family

"""Figures of a worker for Prometheus, read when somebody asks and not before.

One collector per worker, called on the event loop by the private app's `/metrics`; api gathers them
(`api.forward.figures`). Labels are bounded: worker, states, volumes; never camera ids. Counters add up what the parts
count from zero again and again (connections, sessions), so that they only rise.
"""

import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from recorder.writer import VolumeWriter

ReadStates = Callable[[], Mapping[str, dict[str, Any]]]
ReadCounts = Callable[[], Iterable[tuple[Hashable, int]]]
"""Returns what each part (a session, a camera) has counted so far."""


class Rising:
    """Adds up counters of parts that come, go and begin again."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.total = 0
        self._last: dict[Hashable, int] = {}

    def add(self, counts: Iterable[tuple[Hashable, int]]) -> int:
        """Take the present counts and return the sum of everything ever counted, as far as it was seen."""
        present = dict(counts)
        for key, count in present.items():
            last = self._last.get(key, 0)
            self.total += count - last if count >= last else count
        self._last = present
        return self.total


class WorkerFigures(Collector):
    """Counts what the camera states and the other parts tell."""

    def __init__(self, worker: str, read: ReadStates) -> None:
        """Label everything with `worker`, the name of its slot."""
        self._worker = worker
        self._read = read
        self._received, self._lost = Rising(), Rising()
        self._risers: dict[str, Rising] = {}
        self.gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        """Name → (help, reader) of further single figures, added by the wiring."""
        self.counters: dict[str, tuple[str, ReadCounts]] = {}
        """Name → (help, reader) of further counters, added by the wiring."""
        self.volumes: Callable[[], Iterable[VolumeWriter]] = tuple

    def collect(self) -> Iterator[Metric]:
        """Yield the figures of now."""
        states = self._read()
        values = list(states.values())
        yield self._by_label("cameras", "Cameras by state", (s.get("state") for s in values))
        recording = (s["recording"].get("state") for s in values if s.get("recording"))
        yield self._by_label("recordings", "Cameras by recording state", recording)
        yield self._gauge("ingest_bps", "Bits per second from cameras", sum(s.get("bitrate_bps") or 0 for s in values))
        received = self._received.add((key, s.get("packets_received") or 0) for key, s in states.items())
        yield self._counter("packets_received", "Packets from main streams", received)
        lost = self._lost.add((key, s.get("packets_lost") or 0) for key, s in states.items())
        yield self._counter("packets_lost", "Packets of main streams that never came", lost)
        yield self._counter("cpu_seconds", "Processor time used", time.process_time())
        for name, (help_text, read) in self.gauges.items():
            yield self._gauge(name, help_text, read())
        for name, (help_text, count) in self.counters.items():
            yield self._counter(name, help_text, self._risers.setdefault(name, Rising()).add(count()))
        yield from self._of_volumes()

    def _of_volumes(self) -> Iterator[Metric]:
        writers = list(self.volumes())
        for name, help_text, read in _VOLUME_GAUGES:
            gauge = GaugeMetricFamily(f"xiangyun_worker_{name}", help_text, labels=["worker", "volume"])
            for writer in writers:
                gauge.add_metric([self._worker, str(writer.root)], float(read(writer)))
            yield gauge
        for name, help_text, read in _VOLUME_COUNTERS:
            counter = CounterMetricFamily(f"xiangyun_worker_{name}", help_text, labels=["worker", "volume"])
            for writer in writers:
                counter.add_metric([self._worker, str(writer.root)], float(read(writer)))
            yield counter

    def _gauge(self, name: str, help_text: str, value: float) -> GaugeMetricFamily:
        family = GaugeMetricFamily(f"xiangyun_worker_{name}", help_text, labels=["worker"])
        family.add_metric([self._worker], float(value))
        return family

    def _counter(self, name: str, help_text: str, value: float) -> CounterMetricFamily:
        family = CounterMetricFamily(f"xiangyun_worker_{name}", help_text, labels=["worker"])
        family.add_metric([self._worker], float(value))
        return family

    def _by_label(self, name: str, help_text: str, values: Iterable[object]) -> GaugeMetricFamily:
        family = GaugeMetricFamily(f"xiangyun_worker_{name}", help_text, labels=["worker", "state"])
        for value, count in Counter(str(value) for value in values).items():
            family.add_metric([self._worker, value], float(count))
        return family


_VolumeFigure = tuple[str, str, Callable[[VolumeWriter], float]]

_VOLUME_GAUGES: tuple[_VolumeFigure, ...] = (
    ("volume_free_bytes", "Free space, as last measured", lambda writer: writer.stats.space.get("free_bytes", 0)),
    ("volume_total_bytes", "Size of the file system", lambda writer: writer.stats.space.get("total_bytes", 0)),
    ("volume_accepts", "Whether footage can be recorded there", lambda writer: writer.accepts),
    ("volume_queue_bytes", "Bytes waiting to be written", lambda writer: writer.queued_bytes),
)
_VOLUME_COUNTERS: tuple[_VolumeFigure, ...] = (
    ("volume_written_bytes", "Bytes of footage written", lambda writer: writer.stats.written_bytes),
    ("volume_failed_writes", "Writes the disk refused", lambda writer: writer.stats.failed_writes),
    ("volume_deleted_files", "Segments retention deleted", lambda writer: writer.stats.deleted_files),
)

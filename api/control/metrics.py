"""Figures for Prometheus: requests, log-ins, viewers, listeners. One registry per app, so tests do not share any.

Counted by the middleware and the background tasks; read by `routes.health`. Labels are route templates and never
ids, so their number is bounded.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The control plane's own figures."""

    def __init__(self) -> None:
        """Register them."""
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter("xiangyun_http_requests", "Requests answered", labels, registry=self.registry)
        self.duration = Histogram(
            "xiangyun_http_request_seconds",
            "Time to the end of the answer",
            ("route",),
            registry=self.registry,
            buckets=_BUCKETS,
        )
        self.problems = Counter("xiangyun_http_problems", "Problem documents sent", ("code",), registry=self.registry)
        self.cameras = Gauge("xiangyun_cameras", "Cameras by state", ("state",), registry=self.registry)
        self.recording = Gauge("xiangyun_cameras_recording", "Cameras recording now", registry=self.registry)
        self.live_sessions = Gauge("xiangyun_live_sessions", "Open live viewing sessions", registry=self.registry)
        self.sessions = Gauge("xiangyun_sessions", "Open sessions of pages", registry=self.registry)
        self.rooms = Gauge("xiangyun_rooms_running", "Rooms with somebody in them", registry=self.registry)
        self.calls = Gauge("xiangyun_calls", "Calls by state", ("state",), registry=self.registry)
        self.listeners = Gauge("xiangyun_event_listeners", "Open event streams", registry=self.registry)
        self.revoked = Counter(
            "xiangyun_sessions_revoked", "Sessions ended by withdrawn rights", registry=self.registry
        )
        self.sweep_failures = Counter("xiangyun_sweep_failures", "Sweeps that could not finish", registry=self.registry)
        self.events_dropped = Counter(
            "xiangyun_events_dropped", "Events dropped for slow listeners", registry=self.registry
        )

    def render(self) -> bytes:
        """Return the exposition text."""
        return generate_latest(self.registry)

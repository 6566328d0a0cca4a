"""The living parts of the control plane's process, beside the context it was given.

Made by `api.app.create_app`, reached by routes through `request.app.state.control`. One event loop.
"""

from dataclasses import dataclass

from api.context import ApiContext
from api.control.call_clock import CallClock
from api.control.events import EventHub
from api.control.gates import Gates
from api.control.limits import Limiter, Recent
from api.control.metrics import Metrics
from api.control.room_sweeper import RoomSweeper
from api.control.sweeper import Sweeper
from api.control.worker_news import keep_desired, read_worker_news
from api.forward.streams import ActiveStreams
from media.base.tasks import Backoff, Owner, run_supervised


@dataclass(frozen=True, slots=True)
class Control:
    """Limits, figures, event listeners, open sessions and streams, and the sweeper that ends them."""

    ctx: ApiContext
    limiter: Limiter
    recent: Recent
    metrics: Metrics
    events: EventHub
    streams: ActiveStreams
    gates: Gates
    sweeper: Sweeper

    def start(self, owner: Owner) -> None:
        """Start the background tasks."""
        tasks = {
            "sweeper": self.sweeper.run,
            "events": self.events.run,
            "silence": self.events.watch_silence,
            "calls": CallClock(self.ctx, self.metrics).run,
            "worker news": lambda: read_worker_news(self.ctx),
            "desired cameras": lambda: keep_desired(self.ctx),
        }
        for name, work in tasks.items():
            owner.start(run_supervised(name, work, Backoff(limit_s=5.0)), name)


def make_control(ctx: ApiContext) -> Control:
    """Return the parts for `ctx`, nothing started yet."""
    metrics, streams, gates = Metrics(), ActiveStreams(), Gates(ctx)
    return Control(
        ctx=ctx,
        limiter=Limiter(ctx.state, ctx.clock),
        recent=Recent(ctx.clock),
        metrics=metrics,
        events=EventHub(ctx, metrics),
        streams=streams,
        gates=gates,
        sweeper=Sweeper(ctx, streams, metrics, RoomSweeper(ctx, gates, metrics)),
    )

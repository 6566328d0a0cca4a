"""The living parts of the control plane's process, beside the context it was given.

Made by `api.app.create_app`, reached by routes through `request.app.state.control`. One event loop.
"""

from dataclasses import dataclass

from api.context import ApiContext
from api.limits import Limiter
from api.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Control:
    """Limits, figures, event listeners, and streams being forwarded."""

    ctx: ApiContext
    limiter: Limiter
    metrics: Metrics


def make_control(ctx: ApiContext) -> Control:
    """Return the parts for `ctx`."""
    return Control(ctx, Limiter(ctx.state, ctx.clock), Metrics())

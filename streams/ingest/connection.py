"""What a source connection is, whatever its protocol, and how it fails.

The seam between the supervisor (`streams.source`), which retries, and the protocols (`streams.ingest.rtsp`), which
connect. Lives on the worker's event loop. Knows no protocol and opens no socket.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from media.base.errors import ErrorKind, HubError
from media.base.ids import StreamKey
from media.packet import CodecParams, EndReason
from media.rtsp.transport import Transport


class SourceError(HubError):
    """A source that could not be opened, or ended. `reason` names the gap it leaves, `code` is for people.

    Codes: unreachable refused unauthorized not_found not_a_camera timeout unsupported network_not_allowed bad_url
    disconnected silent protocol_error. The message and context hold no credentials.
    """

    def __init__(self, reason: EndReason, message: str, *, code: str | None = None, **context: object) -> None:
        """Remember the reason; `code` defaults to it."""
        super().__init__(ErrorKind.UNAVAILABLE, message, code=code or reason.value, **context)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """What to open. `url` carries the credentials, so the whole value is kept out of logs."""

    key: StreamKey
    url: str
    transport: Transport = Transport.TCP

    def __repr__(self) -> str:
        """Return the key only: the URL is a secret."""
        return f"SourceRequest({self.key})"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStats:
    """What an open connection can tell about itself. Counters count from its opening."""

    video: CodecParams | None = None
    audio: CodecParams | None = None
    fps: float = 0.0
    bitrate_bps: int = 0
    clock_offset_ms: int | None = None
    last_packet_wall_us: int | None = None
    packets_received: int = 0
    packets_lost: int = 0
    timestamps_repaired: int = 0
    units_dropped: int = 0


class SourceConnection(Protocol):
    """An open source that publishes into the hub until it ends."""

    @property
    def last_media_mono_ns(self) -> int:
        """When the last picture (of a source without video: the last sound) came.

        Before the run has begun: when the last packet came, or the opening.
        """
        ...

    @property
    def is_publishing(self) -> bool:
        """Tell whether a run has begun in the hub."""
        ...

    def stats(self) -> SourceStats:
        """Return the figures of now."""
        ...

    @property
    def ended(self) -> asyncio.Future[EndReason]:
        """Done, with why, once the source has ended by itself; the hub's run is over by then."""
        ...

    async def aclose(self, reason: EndReason) -> None:
        """End the run with `reason`, say goodbye to the camera and close, within 2 s. Idempotent."""
        ...


Connect = Callable[[SourceRequest], Awaitable[SourceConnection]]
"""Open a source; raises SourceError. When it returns the camera has promised media; none need have come yet."""

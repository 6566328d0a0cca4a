"""HTTP/1.1 as uvicorn speaks it, with the bounds it lacks: size and time of a request's head, number of connections.

Made by uvicorn for each connection of the public servers (`processes.control`), on their event loop. What is no HTTP
is answered with a problem document too. Bodies are bounded by `api.http.middleware`, which knows the routes.
"""

import asyncio
import secrets
from typing import Any

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from api.http.errors import PROBLEM, printable, problem
from media.base.clock import SystemClock
from media.base.errors import ErrorKind, HubError
from media.base.log import RateLimited

log = structlog.get_logger(__name__)

HEAD_LIMIT_BYTES = 64 << 10
"""Request line and headers together; browsers send one to four kilobytes."""
HEAD_LIMIT_LINES = 100
HEAD_TIMEOUT_S = 20.0
"""From the connection, or from the first byte of a request, to the end of its head. A phone on weak 4G takes two."""
MAX_CONNECTIONS = 8000
"""Of one server: 5000 consoles with their event streams, and as many again would exhaust memory before sense."""

SESSION_PATH = b"/api/v1/session"
"""The only WebSocket of the public servers."""

_clock = SystemClock()
_told = RateLimited(every_s=1.0)


class GuardedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """Prepare as uvicorn does."""
        super().__init__(*arguments, **named)
        self._head_bytes = 0
        self._head_lines = 0
        self._idle_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._is_refused = False
        self._running: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head, unless there are too many already."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline, and what was asked one behind the other."""
        self._head_is_there()
        self._silence()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; give up on a client that sends much of what never becomes a header or a body."""
        if self._is_refused:
            return
        self._idle_bytes += len(data)
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self._refuse(400, "bad_request")
        except httptools.HttpParserUpgrade:
            if self._should_upgrade():
                self.handle_websocket_upgrade()
        if self._idle_bytes > HEAD_LIMIT_BYTES:
            self._refuse(431, "head_too_large")

    # What the parser reports.

    def on_message_begin(self) -> None:
        """Count a new head."""
        super().on_message_begin()
        self._head_bytes = self._head_lines = 0
        if self._deadline is None:
            self._await_head()

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request line."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer after a chunked body."""
        self._head_lines += 1
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._idle_bytes = 0
        self._head_is_there()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._idle_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is there."""
        self._idle_bytes = 0
        super().on_message_complete()

    def _count(self, size_bytes: int) -> None:
        self._head_bytes += size_bytes
        if self._head_bytes > HEAD_LIMIT_BYTES or self._head_lines > HEAD_LIMIT_LINES:
            self._refuse(431, "head_too_large")
            raise ValueError("the head is too large")  # ends the parsing; the answer has been sent

    def _should_upgrade(self) -> bool:
        """Upgrade to a WebSocket where there is one; anywhere else the wish is passed over (RFC 9110 §7.8)."""
        is_session = self.url.partition(b"?")[0] == SESSION_PATH and self.url.isascii()
        return is_session and self.parser.get_method() == b"GET" and bool(super()._should_upgrade())

    # Refusing.

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_TIMEOUT_S, self._give_up)

    def _head_is_there(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        self._is_refused = True
        self._hang_up()

    def _refuse(self, status: int, code: str) -> None:
        """Answer with a problem document and close; nothing is said into an answer that is under way."""
        if self._is_refused:
            return
        self._is_refused = True
        self._tell(code)
        if not (self._is_answering() or self.transport.is_closing()):
            error = HubError(ErrorKind.INVALID, "not a request", code=code)
            response = problem(error, locale="zh-CN", trace_id=secrets.token_hex(16), status=status)
            lines = [
                STATUS_LINE[status],
                f"content-type: {PROBLEM}\r\ncontent-length: {len(response.body)}\r\n".encode(),
                b"cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n",
                bytes(response.body),
            ]
            self.transport.write(b"".join(lines))
        self._hang_up()

    def _hang_up(self) -> None:
        """Close, and let an answer that is under way write no more."""
        self._silence()
        self.transport.close()

    def _silence(self) -> None:
        """Let the answer under way write no more. uvicorn knows the last request of a row, which need not be it."""
        self.pipeline.clear()
        if self._running is not None:
            self._running.disconnected = True
            self._running.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _is_answering(self) -> bool:
        return self._running is not None and not self._running.response_complete

    def _tell(self, code: str) -> None:
        held = _told.admit(_clock.mono_ns())
        if held is not None:
            address = printable(self.client[0], 64) if self.client else "local"
            log.info("not a request", code=code, address=address, held_back=held)

"""Around every request: trace id, limits of size, refusal of bytes that are no text, headers, one log line.

Plain ASGI, so that streams are not buffered. Answers itself with a problem document when a request must not reach
the routes. The log line names the path, never a query or a secret.
"""

import asyncio
import re
import secrets
from typing import Any
from urllib.parse import unquote_to_bytes

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.context import ApiContext
from api.control.metrics import Metrics
from api.http.errors import answer, printable
from media.base.errors import ErrorKind, HubError

log = structlog.get_logger(__name__)

BODY_LIMIT_BYTES = 1_000_000
IMPORT_LIMIT_BYTES = 10_000_000
QUERY_LIMIT_BYTES = 8_192
BODY_IDLE_S = 20.0
BODY_TIMEOUT_S = 180.0
"""A list of cameras of 10 MB takes 80 s over 1 Mbit/s."""
_API_PREFIX = "/api/v1"
_IMPORT_PATH = f"{_API_PREFIX}/cameras/import"
_ASKED_BY_MACHINES = frozenset({"/healthz", "/readyz", "/metrics"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")

CONSOLE_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; worker-src 'self' blob:; connect-src 'self'; font-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SECURITY_HEADERS = (
    (b"content-security-policy", CONSOLE_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(self), microphone=(self), fullscreen=(self), geolocation=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
API_HEADERS = ((b"cache-control", b"no-store"),)


class RequestScope:
    """The outermost layer."""

    def __init__(self, app: ASGIApp, ctx: ApiContext, metrics: Metrics) -> None:
        """Wrap `app`."""
        self._app = app
        self._ctx = ctx
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; other kinds of connection pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        started_ns = self._ctx.clock.mono_ns()
        try:
            refusal = _refusal(scope)
            if refusal is not None:
                await exchange.refuse(refusal)
            else:
                await self._serve(exchange)
        finally:
            self._report(exchange, (self._ctx.clock.mono_ns() - started_ns) / 1e9)

    async def _serve(self, exchange: "_Exchange") -> None:
        await self._app(exchange.scope, exchange.receive, exchange.send)
        if exchange.broken is not None and not exchange.is_started:
            await exchange.refuse(exchange.broken)

    def _report(self, exchange: "_Exchange", took_s: float) -> None:
        scope, route = exchange.scope, exchange.route
        state = scope["state"]
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.requests.labels(method, route, str(exchange.status)).inc()
        self._metrics.duration.labels(route).observe(took_s)
        code = state.get("error_code")
        if code:
            self._metrics.problems.labels(code).inc()
        client = scope.get("client")
        say = log.debug if scope["path"] in _ASKED_BY_MACHINES and exchange.status < 400 else log.info
        say(
            "request",
            method=scope["method"], path=printable(scope["path"]), status=exchange.status, ms=round(took_s * 1000, 1),
            user=state.get("user"), address=client[0] if client else "local", size_bytes=exchange.sent_bytes,
            code=code, trace_id=exchange.trace_id,
        )  # fmt: skip


class _Exchange:
    """One request and its answer: counts what comes in, adds headers to what goes out."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})
        self.trace_id = _trace_id(scope)
        scope["state"]["trace_id"] = self.trace_id
        self.scope = scope
        self._receive = receive
        self._send = send
        self._limit_bytes = IMPORT_LIMIT_BYTES if scope["path"] == _IMPORT_PATH else BODY_LIMIT_BYTES
        self._received_bytes = 0
        self.sent_bytes = 0
        self.status = 0
        self.is_started = False
        self.broken: HubError | None = None
        self._is_body_there = False
        self._deadline_s = 0.0

    @property
    def route(self) -> str:
        """Return the template of the route that was found, for figures and logs."""
        template = str(getattr(self.scope.get("route"), "path", ""))
        if self.scope["path"].startswith(_API_PREFIX) and template and not template.startswith("/{"):
            return _API_PREFIX + template
        return template or "-"

    async def receive(self) -> Message:
        if self._is_body_there:
            return await self._receive()
        message = await self._receive_in_time()
        self._received_bytes += len(message.get("body", b""))
        self._is_body_there = not message.get("more_body", False)
        if self._received_bytes > self._limit_bytes:
            self.broken = HubError(ErrorKind.INVALID, "too large", code="body_too_large")
            raise self.broken
        return message

    async def _receive_in_time(self) -> Message:
        now_s = asyncio.get_running_loop().time()
        self._deadline_s = self._deadline_s or now_s + BODY_TIMEOUT_S
        try:
            async with asyncio.timeout(min(BODY_IDLE_S, self._deadline_s - now_s)):
                return await self._receive()
        except TimeoutError:
            self.broken = HubError(ErrorKind.INVALID, "the body did not come in time", code="request_timeout")
            raise self.broken from None

    async def send(self, message: Message) -> None:
        if self.broken is not None and not self.is_started:
            return  # whatever was made of half a body is not the answer
        await self._pass_on(message)

    async def _pass_on(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.is_started = True
            self.status = message["status"]
            message["headers"] = self._with_headers(list(message.get("headers", ())))
        self.sent_bytes += len(message.get("body", b""))
        await self._send(message)

    def _with_headers(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        present = {name.lower() for name, _ in headers}
        wanted: tuple[tuple[bytes, bytes], ...] = (*SECURITY_HEADERS, (b"x-trace-id", self.trace_id.encode()))
        if self.scope["path"].startswith("/api/"):
            wanted += API_HEADERS
        if self.scope.get("scheme") == "https" and _has_usual_port(self.scope):
            wanted += ((b"strict-transport-security", b"max-age=31536000"),)
        if not self._is_body_there and _has_body(self.scope):
            wanted += ((b"connection", b"close"),)  # nobody will read what is still on the way
        return headers + [(name, value) for name, value in wanted if name not in present]

    async def refuse(self, error: HubError) -> None:
        """Answer with a problem document without asking the routes."""
        response = answer(Request(self.scope), error)
        await response(self.scope, self._receive, self._pass_on)


def _trace_id(scope: Scope) -> str:
    """Return the caller's trace id when it sent a well-formed W3C `traceparent`, else a fresh one."""
    for name, value in scope["headers"]:
        if name == b"traceparent" and (match := _TRACEPARENT.fullmatch(value.decode("latin-1"))):
            return str(match[1])
    return secrets.token_hex(16)


def _refusal(scope: Scope) -> HubError | None:
    """Return why a request may not even reach the routes: not text, or announced too large."""
    query: bytes = scope.get("query_string", b"")
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogatepass")
    if len(query) > QUERY_LIMIT_BYTES or not (_is_text(raw_path) and _is_text(query)):
        return HubError(ErrorKind.INVALID, "the address is not clean UTF-8 text", code="invalid_text")
    limit_bytes = IMPORT_LIMIT_BYTES if scope["path"] == _IMPORT_PATH else BODY_LIMIT_BYTES
    announced = _content_length(scope)
    if announced is None:
        return HubError(ErrorKind.INVALID, "Content-Length is not a number", code="invalid_value")
    if announced > limit_bytes:
        return HubError(ErrorKind.INVALID, "too large", code="body_too_large")
    return None


def _has_usual_port(scope: Scope) -> bool:
    """Tell whether browsers reach us at port 443: HSTS holds for all ports of a host, also the plain one's."""
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    return re.search(rb":[0-9]+$", host) is None or host.endswith(b":443")


def _has_body(scope: Scope) -> bool:
    return any(name in {b"transfer-encoding", b"content-length"} and value != b"0" for name, value in scope["headers"])


def _is_text(raw: bytes) -> bool:
    plain = unquote_to_bytes(raw)
    try:
        plain.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return _CONTROL.search(plain) is None


def _content_length(scope: Any) -> int | None:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() and len(value) < 19 else None
    return 0

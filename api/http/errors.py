"""The one place where error kinds become HTTP: RFC 9457 problem documents with code, sentence and trace id.

Installed by `api.app`; also used by the middleware, which answers before the routes. Only whitelisted context
reaches a client; an unknown exception is logged with its trace id and answered with nothing but that.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, WebSocket
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response

from api.messages import locale_of, sentence
from media.base.errors import ErrorKind, HubError

log = structlog.get_logger(__name__)

PROBLEM = "application/problem+json"
RETRY_LATER_S = 2

_STATUS = {
    ErrorKind.INVALID: 400,
    ErrorKind.NOT_FOUND: 404,
    ErrorKind.UNAUTHENTICATED: 401,
    ErrorKind.DENIED: 403,
    ErrorKind.CONFLICT: 409,
    ErrorKind.UNAVAILABLE: 503,
    ErrorKind.EXHAUSTED: 429,
    ErrorKind.TIMEOUT: 504,
    ErrorKind.DATA_LOSS: 500,
    ErrorKind.INTERNAL: 500,
}
_STATUS_OF_CODE = {
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "range_not_satisfiable": 416,
    "invalid_body": 422,
    "request_timeout": 408,
    "outside_window": 416,
    "too_many_viewers": 503,
    "method_not_allowed": 405,
    "not_acceptable": 406,
}
_SHOWN = frozenset({"camera", "camera_id", "codec", "field", "limit", "role", "row", "spans", "verb", "org_id"})
_KIND_OF_STATUS = {
    401: (ErrorKind.UNAUTHENTICATED, "token_missing"),
    403: (ErrorKind.DENIED, "denied"),
    404: (ErrorKind.NOT_FOUND, "not_found"),
    405: (ErrorKind.INVALID, "method_not_allowed"),
    413: (ErrorKind.INVALID, "body_too_large"),
    415: (ErrorKind.INVALID, "unsupported_media_type"),
}


def status_of(error: HubError) -> int:
    """Return the HTTP status of an error."""
    return _STATUS_OF_CODE.get(error.code, _STATUS[error.kind])


def problem(
    error: HubError, *, locale: str, trace_id: str, errors: Sequence[Mapping[str, str]] = (), status: int | None = None
) -> Response:
    """Return the problem document of `error`; `errors` lists the fields that are wrong."""
    status = status or status_of(error)
    said = sentence(error.code, error.kind, locale)
    body: dict[str, Any] = {
        "type": f"urn:xiangyun:problem:{error.code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": error.code,
        "detail": said,
        "trace_id": trace_id,
    }
    body |= {key: value for key, value in error.context.items() if key in _SHOWN}
    if errors:
        body["errors"] = list(errors)
    headers = {"Cache-Control": "no-store"}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status in {429, 503}:
        wait_s = error.context.get("retry_after_s")
        headers["Retry-After"] = str(max(1, round(wait_s + 0.5))) if isinstance(wait_s, float) else str(RETRY_LATER_S)
    if status == 416 and (size := error.context.get("content_range")):
        headers["Content-Range"] = str(size)
    return JSONResponse(body, status, headers, media_type=PROBLEM)


def answer(request: HTTPConnection, error: HubError, **more: Any) -> Response:
    """Return the problem document of `error` in the language and with the trace id of `request`."""
    request.state.error_code = error.code
    locale = locale_of(request.headers.get("accept-language", ""))
    return problem(error, locale=locale, trace_id=getattr(request.state, "trace_id", ""), **more)


async def _on_hub_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HubError)
    if status_of(error) >= 500:
        log.warning("request failed", code=error.code, cause=str(error), trace_id=request.state.trace_id)
    return answer(request, error)


async def _on_refused_upgrade(socket: WebSocket, error: Exception) -> None:
    """Answer instead of upgrading to a WebSocket."""
    if isinstance(error, WebSocketRequestValidationError):
        error = HubError(ErrorKind.INVALID, "the request is not valid", code="invalid_body")
    assert isinstance(error, HubError)
    await socket.send_denial_response(answer(socket, error))


async def _on_either(connection: Request | WebSocket, error: Exception) -> Response | None:
    """Answer a request, or refuse an upgrade."""
    if isinstance(connection, WebSocket):
        await _on_refused_upgrade(connection, error)
        return None
    return await _on_hub_error(connection, error)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    listed = [
        {
            "field": printable(".".join(str(part) for part in problem_["loc"] if part != "body")),
            "code": str(problem_["type"]),
            "message": printable(str(problem_["msg"])),
        }
        for problem_ in error.errors()[:50]
    ]
    return answer(request, HubError(ErrorKind.INVALID, "the request is not valid", code="invalid_body"), errors=listed)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind, code = _KIND_OF_STATUS.get(error.status_code, (ErrorKind.INVALID, "invalid_body"))
    hub_error = HubError(kind, "the framework refused the request", code=code)
    response = answer(request, hub_error, status=error.status_code)
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


async def _on_bug(request: Request, _error: Exception) -> Response:
    """Answer with nothing but the trace id; the server logs the traceback when the error goes on its way."""
    return answer(request, HubError(ErrorKind.INTERNAL, "internal error", code="internal"))


def printable(text: str, limit: int = 200) -> str:
    """Return `text` cut short and without control characters and lone surrogates, fit for an answer or a log."""
    kept = text[:limit].encode("utf-8", "replace").decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "?" for char in kept)


def install(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(HubError, _on_either)  # type: ignore[arg-type]  # Starlette knows one kind each
    app.add_exception_handler(WebSocketRequestValidationError, _on_refused_upgrade)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_bug)

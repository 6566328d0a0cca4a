"""Structured logging: set-up, redaction and rate limits.

`setup` is called once per process by the composition root. Every event is a constant lower-case sentence with
key-value context, written as one JSON line (or for people on a terminal). URLs lose their credentials and secret
keys lose their values before anything is written.
"""

import logging
import re
import sys
import threading
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

import structlog

_SECRET_KEYS = frozenset(
    {
        "password",
        "token",
        "secret",
        "grant",
        "authorization",
        "cookie",
        "otp",
        "access_token",
        "refresh_token",
        "secret_key",
        "passcode",
        "nonce",
        "response",
    }
)
_URL_CREDENTIALS = re.compile(r"([a-z][a-z0-9+.-]*://)[^\s\"]*@", re.IGNORECASE)  # a password may hold "@" and "/"
_QUERY_SECRETS = re.compile(r"((?:token|grant|password|secret|passcode)=)[^&\s\"']+", re.IGNORECASE)


def redact(text: str) -> str:
    """Return `text` without URL credentials and without secret query values."""
    return _QUERY_SECRETS.sub(r"\1***", _URL_CREDENTIALS.sub(r"\1***@", text))


def _redact_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if key.lower() in _SECRET_KEYS:
            event[key] = "***"
        elif isinstance(value, str):
            event[key] = redact(value)
    return event


def _naming(process: str) -> Any:
    """Return a processor that names the process: context variables do not reach threads that others started."""

    def name(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("process", process)
        return event

    return name


def setup(*, process: str, level: str = "info", as_json: bool = True) -> None:
    """Configure structlog and the standard library's logging to write to stderr, naming `process` in each line.

    What nobody caught, in any thread, and Python's warnings become lines of the same form.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        _naming(process),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.WARNING))
    logging.captureWarnings(True)
    sys.excepthook = _tell_uncaught
    threading.excepthook = lambda told: _tell_uncaught(
        told.exc_type, told.exc_value or told.exc_type(), told.exc_traceback, thread=told.thread and told.thread.name
    )


def _tell_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None, **context: object
) -> None:
    """Log an exception that ends the process or a thread."""
    if issubclass(kind, KeyboardInterrupt):
        return
    structlog.get_logger(__name__).critical("uncaught exception", exc_info=(kind, error, trace), **context)


class RateLimited:
    """Lets a recurring event through once per `every_s` seconds and tells how many were held back."""

    def __init__(self, every_s: float = 1.0) -> None:
        """Allow one event per `every_s` seconds."""
        self._every_ns = round(every_s * 1e9)
        self._last_ns: int | None = None
        self._held = 0

    def admit(self, now_mono_ns: int) -> int | None:
        """Return the number of events held back since the last admitted one, or None when this one is held back."""
        if self._last_ns is not None and now_mono_ns - self._last_ns < self._every_ns:
            self._held += 1
            return None
        self._last_ns = now_mono_ns
        held, self._held = self._held, 0
        return held

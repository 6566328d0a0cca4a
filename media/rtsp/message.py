"""RTSP messages (RFC 2326) and the interleaved frames between them: bytes to values and back.

Called by both sessions, by the ingest's receive loop (`read_message`, `find_resync`: it reads frames in place itself)
and by servers (`MessageParser`). Pure and incremental; every byte is looked at a bounded number of times. Refuses
messages beyond its limits; forgives stray line ends, bare LF, odd header case and garbage between frames.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from media.base.errors import RemoteProtocolError

MAX_HEAD_BYTES = 16 << 10
"""Start line and headers; the longest seen in the field is under 2 kB."""
MAX_BODY_BYTES = 128 << 10
MAX_HEADERS = 100
MAX_GARBAGE_BYTES = 256 << 10
"""Skipped in a row before the peer is given up: a lost TCP byte costs at most one 64 kB frame on each side."""
MAX_CHANNEL = 19
"""Interleaved channels above this are taken for garbage when looking for the next frame."""

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_METHOD = rb"[A-Z_]{3,20}"
_START = re.compile(rb"(?:RTSP/\d\.\d \d{3}|" + _METHOD + rb" \S{1,4096} RTSP/\d\.\d)")
_RESYNC = re.compile(rb"\$[\x00-\x13]|RTSP/\d\.\d \d{3}|(?:OPTIONS|ANNOUNCE|REDIRECT|[GS]ET_PARAMETER) \S{1,512} RTSP/")
_STATUS_LINE = re.compile(r"RTSP/\d\.\d\s+(\d{3})\s*(.*)", re.ASCII)
_REQUEST_LINE = re.compile(r"([A-Z_]{1,20})\s+(\S+)\s+RTSP/\d\.\d", re.ASCII)
_CRLF = re.compile(r"\r?\n")


class Headers:
    """Header fields in order, found whatever their case; a field may occur several times. Never changes."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        """Keep the (name, value) pairs."""
        self._fields = tuple(fields)

    def get(self, name: str, default: str = "") -> str:
        """Return the first value of `name`, or `default`."""
        wanted = name.lower()
        return next((value for key, value in self._fields if key.lower() == wanted), default)

    def get_all(self, name: str) -> list[str]:
        """Return every value of `name`, in order."""
        wanted = name.lower()
        return [value for key, value in self._fields if key.lower() == wanted]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.get_all(name))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash(self._fields)

    def __repr__(self) -> str:
        """Return the names only: values may be credentials."""
        return f"Headers({', '.join(name for name, _ in self._fields)})"


NO_HEADERS = Headers()


@dataclass(frozen=True, slots=True)
class Request:
    """A request of either side. `url` is as written."""

    method: str
    url: str
    headers: Headers = NO_HEADERS
    body: bytes = b""

    def to_bytes(self) -> bytes:
        """Return the wire form; Content-Length is added for a body."""
        return _serialize(f"{self.method} {self.url} RTSP/1.0", self.headers, self.body)

    @property
    def cseq(self) -> int | None:
        """Return the sequence number; None when missing or not a number."""
        return _cseq(self.headers)


@dataclass(frozen=True, slots=True)
class Response:
    """A response of either side."""

    status: int
    reason: str = ""
    headers: Headers = NO_HEADERS
    body: bytes = b""

    def to_bytes(self) -> bytes:
        """Return the wire form; Content-Length is added for a body."""
        reason = self.reason or REASONS.get(self.status, "Unknown")
        return _serialize(f"RTSP/1.0 {self.status} {reason}", self.headers, self.body)

    @property
    def cseq(self) -> int | None:
        """Return the sequence number; None when missing or not a number."""
        return _cseq(self.headers)


class InterleavedFrame(NamedTuple):
    """One `$` frame: RTP or RTCP within the RTSP connection (RFC 2326 §10.12)."""

    channel: int
    payload: bytes


Message = Request | Response

REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    451: "Parameter Not Understood",
    453: "Not Enough Bandwidth",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    459: "Aggregate Operation Not Allowed",
    461: "Unsupported Transport",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    551: "Option not supported",
}


def interleaved(channel: int, payload: bytes) -> bytes:
    """Return `payload` (at most 65535 bytes) framed for `channel`."""
    return b"$" + channel.to_bytes(1, "big") + len(payload).to_bytes(2, "big") + payload


def read_message(buf: bytes | bytearray | memoryview, start: int, end: int) -> tuple[Message, int] | None:
    """Read one message that begins at `buf[start]`; return it and the index after it, or None when more must come.

    Stray CR and LF before the start line are skipped. RemoteProtocolError: `not_rtsp` when no message begins there,
    `message_too_large` beyond the limits.
    """
    while start < end and buf[start] in b"\r\n":
        start += 1
    limit = min(end, start + MAX_HEAD_BYTES)
    head_end = _HEAD_END.search(buf, start, limit)
    if head_end is None:
        _check_beginning(bytes(buf[start : min(limit, start + 4300)]), start)
        if limit - start >= MAX_HEAD_BYTES:
            raise RemoteProtocolError("message head is too long", code="message_too_large", offset=start)
        return None
    lines = _CRLF.split(bytes(buf[start : head_end.start()]).decode("utf-8", "replace"))
    make = _start_line(lines[0], start)
    headers = _parse_headers(lines[1:])
    body_bytes = _content_length(headers)
    body_start = head_end.end()
    if body_start + body_bytes > end:
        return None
    body = bytes(buf[body_start : body_start + body_bytes])
    return make(headers, body), body_start + body_bytes


class _Start(NamedTuple):
    """A parsed start line; called with the rest it becomes the message."""

    method: str
    url: str
    status: int
    reason: str

    def __call__(self, headers: Headers, body: bytes) -> Message:
        if self.method:
            return Request(self.method, self.url, headers, body)
        return Response(self.status, self.reason, headers, body)


def _start_line(line: str, offset: int) -> _Start:
    if match := _STATUS_LINE.fullmatch(line.strip()):
        return _Start("", "", int(match.group(1)), match.group(2).strip())
    if match := _REQUEST_LINE.fullmatch(line.strip()):
        return _Start(match.group(1), match.group(2), 0, "")
    raise RemoteProtocolError("not an RTSP message", code="not_rtsp", offset=offset)


def _check_beginning(head: bytes, offset: int) -> None:
    """Refuse early what cannot become a start line, so that garbage does not wait for a line end."""
    line = head.split(b"\n", 1)[0].rstrip(b"\r")
    is_line_whole = b"\n" in head
    if is_line_whole or len(line) > 4200:
        if not _START.match(line):
            raise RemoteProtocolError("not an RTSP message", code="not_rtsp", offset=offset)
    elif line and not line[:1].isupper():
        raise RemoteProtocolError("not an RTSP message", code="not_rtsp", offset=offset)


def _parse_headers(lines: list[str]) -> Headers:
    if len(lines) > MAX_HEADERS:
        raise RemoteProtocolError("message has too many headers", code="message_too_large", headers=len(lines))
    fields: list[tuple[str, str]] = []
    for line in lines:
        name, colon, value = line.partition(":")
        if line[:1] in (" ", "\t") and fields:  # folded: continues the line before
            fields[-1] = (fields[-1][0], f"{fields[-1][1]} {line.strip()}")
        elif colon and name.strip():
            fields.append((name.strip(), value.strip()))
    return Headers(fields)


def _content_length(headers: Headers) -> int:
    text = headers.get("Content-Length", "0").strip() or "0"
    if not (text.isascii() and text.isdigit()):
        raise RemoteProtocolError("Content-Length is not a number", code="not_rtsp")
    if len(text) > 9 or int(text) > MAX_BODY_BYTES:
        raise RemoteProtocolError("message body is too large", code="message_too_large")
    return int(text)


def _cseq(headers: Headers) -> int | None:
    text = headers.get("CSeq").split(" ")[0]
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else None


def _serialize(start_line: str, headers: Headers, body: bytes) -> bytes:
    lines = [start_line, *(f"{name}: {value}" for name, value in headers)]
    if body and "Content-Length" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    if any("\r" in line or "\n" in line for line in lines):
        raise RemoteProtocolError("a header would break its line", code="not_rtsp")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8") + body


def find_resync(buf: bytes | bytearray | memoryview, start: int, end: int) -> int:
    """Return where the next frame or message seems to begin after `buf[start]`, or the first index not yet sure.

    A frame is believed by its channel (below 20). The result is in `start+1 … end`; when nothing was found the last
    bytes, in which a beginning might hide, stay.
    """
    match = _RESYNC.search(buf, start + 1, end)
    if match is not None:
        return match.start()
    return max(start + 1, end - 24)


class MessageParser:
    """Cuts a byte stream into messages and interleaved frames; skips garbage and counts it.

    `feed` bytes, then call `next` until it returns None. After RemoteProtocolError the stream is lost.
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self._buf = bytearray()
        self._at = 0
        self._garbage_run_bytes = 0
        self.garbage_bytes = 0

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes from the peer."""
        if self._at:
            del self._buf[: self._at]
            self._at = 0
        self._buf += data

    @property
    def pending_bytes(self) -> int:
        """Return the bytes not yet made into anything."""
        return len(self._buf) - self._at

    def next(self) -> Message | InterleavedFrame | None:
        """Return the next message or frame, None when more bytes must come.

        RemoteProtocolError (`message_too_large`, or `not_rtsp` after 256 kB of garbage in a row).
        """
        buf, end = self._buf, len(self._buf)
        while self._at < end:
            if buf[self._at] == 0x24:  # "$"
                frame = self._frame(end)
                if frame is not None:
                    self._garbage_run_bytes = 0
                return frame
            if buf[self._at] in b"\r\n":
                self._at += 1
                continue
            try:
                found = read_message(buf, self._at, end)
            except RemoteProtocolError as error:
                if error.code != "not_rtsp":
                    raise
                self._skip(find_resync(buf, self._at, end))
                continue
            if found is None:
                return None
            message, self._at = found
            self._garbage_run_bytes = 0
            return message
        return None

    def _frame(self, end: int) -> InterleavedFrame | None:
        at = self._at
        if end - at < 4:
            return None
        size = int.from_bytes(self._buf[at + 2 : at + 4], "big")
        if end - at < 4 + size:
            return None
        self._at = at + 4 + size
        return InterleavedFrame(self._buf[at + 1], bytes(self._buf[at + 4 : self._at]))

    def _skip(self, to: int) -> None:
        skipped = to - self._at
        self._at = to
        self.garbage_bytes += skipped
        self._garbage_run_bytes += skipped
        if self._garbage_run_bytes > MAX_GARBAGE_BYTES:
            raise RemoteProtocolError("too much that is not RTSP", code="not_rtsp", skipped_bytes=self.garbage_bytes)

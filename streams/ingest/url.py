"""Reads a source URL as people write it: with passwords that hold `@`, `/`, `#` and no percent signs.

Called before connecting and by the probe. Pure. The parts it returns are apart for good: the plain URL that goes over
the wire and into logs, and the credentials that go nowhere but into an Authorization header.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from media.packet import EndReason
from media.rtsp.auth import Credentials
from streams.ingest.connection import SourceError

DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322}
MAX_URL_CHARS = 2048
_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.%a-z]+\]|[^\s\[\]:@/?#\\]+)(?::(\d{1,5}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class SourceUrl:
    """A URL taken apart. `plain` holds no credentials."""

    scheme: str
    host: str
    port: int
    plain: str
    credentials: Credentials | None = field(default=None, repr=False)


def parse_source_url(text: str) -> SourceUrl:
    """Return the parts of `text`; SourceError `bad_url`, or `unsupported` for a scheme no ingest knows."""
    text = text.strip()
    if len(text) > MAX_URL_CHARS or any(ord(char) <= 0x20 or ord(char) == 0x7F for char in text):
        raise _bad("a source URL has no spaces or control characters and at most 2048 characters")
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or not rest:
        raise _bad("not a URL")
    if scheme not in DEFAULT_PORTS:
        raise SourceError(EndReason.UNSUPPORTED, "only rtsp and rtsps sources are supported", code="unsupported")
    userinfo, address = _split_userinfo(rest)
    end = re.search(r"[/?#]", address)
    authority, path = (address[: end.start()], address[end.start() :]) if end else (address, "")
    match = _HOST_PORT.fullmatch(authority)
    if match is None:
        raise _bad("the URL names no host")
    port = int(match.group(2) or DEFAULT_PORTS[scheme])
    if not 0 < port < 65_536:
        raise _bad("the port is not between 1 and 65535")
    plain = f"{scheme}://{authority}{path}"
    return SourceUrl(scheme, match.group(1).strip("[]"), port, plain, _credentials(userinfo))


def _split_userinfo(rest: str) -> tuple[str | None, str]:
    """Split `user:password@host/path`. An `@` after the first slash belongs to the path unless the host says otherwise."""
    end = re.search(r"[/?#]", rest)
    head = rest[: end.start()] if end else rest
    if "@" in head:
        userinfo, _, host = head.rpartition("@")
        return userinfo, host + rest[len(head) :]
    if "@" in rest and ":" in head and _HOST_PORT.fullmatch(head) is None:
        userinfo, _, address = rest.rpartition("@")  # `admin:pa/ss@10.0.0.1/`: what looked like host:port is none
        return userinfo, address
    return None, rest


def _credentials(userinfo: str | None) -> Credentials | None:
    if not userinfo:
        return None
    user, _, password = userinfo.partition(":")
    return Credentials(unquote(user), unquote(password))


def _bad(message: str) -> SourceError:
    return SourceError(EndReason.UNSUPPORTED, message, code="bad_url")

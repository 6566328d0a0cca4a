"""The server's side of an RTSP conversation (RFC 2326), without a socket: requests in, replies and events out.

Used by `streams.simulator` on its loop, one `ServerSession` per connection. What is served, and with which ports, is
asked of a `Stage`. One session per connection, PLAY only (no recording, no pausing: a camera has no pause). Refuses
with the status a camera would use; never raises for what a client sent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from urllib.parse import unquote, urlsplit

from media.rtsp.auth import ServerAuth
from media.rtsp.message import Headers, Request, Response
from media.rtsp.transport import Transport, TransportRequest, parse_transport_request

PUBLIC = "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER, SET_PARAMETER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How one track is delivered: interleaved channels, or the client's ports."""

    track: int
    transport: Transport
    rtp: int
    rtcp: int


class Stage(Protocol):
    """What a server session asks of its surroundings. `path` is without leading or trailing slash, unquoted."""

    def describe(self, path: str) -> str | None:
        """Return the session description of `path`; None when there is none."""
        ...

    def has_track(self, path: str, track: int) -> bool:
        """Tell whether `path` has that track."""
        ...

    def udp_ports(self) -> tuple[int, int] | None:
        """Return our RTP and RTCP ports; None when UDP is not served."""
        ...

    def may_set_up(self, path: str) -> bool:
        """Tell whether one more session may be opened (False: 453)."""
        ...

    def end_session(self, session_id: str) -> bool:
        """End a session of another connection; False when it is not known."""
        ...


class Change(StrEnum):
    """What a reply changes."""

    PLAY = "play"
    TEARDOWN = "teardown"


@dataclass(frozen=True, slots=True)
class ServerStep:
    """The reply to send, and what changes once it is sent."""

    reply: Response
    change: Change | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """`make_token` gives nonces and session ids: at least 16 unguessable characters."""

    make_token: Callable[[], str]
    auth: ServerAuth | None = None
    session_timeout_s: int = 60
    server_name: str = "Xiangyun camera"


class ServerSession:
    """One connection's conversation. `path`, `session_id` and `deliveries` are set by SETUP.

    `is_nonce_single_use` may be set at any time: then a nonce is good for one request, and the next is told `stale`.
    """

    def __init__(self, stage: Stage, options: ServerOptions) -> None:
        """Begin unauthenticated and without a session."""
        self.path = ""
        self.session_id = ""
        self.deliveries: dict[int, Delivery] = {}
        self.is_playing = False
        self.is_nonce_single_use = False
        self._stage = stage
        self._options = options
        self._nonce = options.make_token()
        self._is_nonce_used = False
        self._handlers: dict[str, Callable[[Request], ServerStep]] = {
            "OPTIONS": self._on_options,
            "DESCRIBE": self._on_describe,
            "SETUP": self._on_setup,
            "PLAY": self._on_play,
            "TEARDOWN": self._on_teardown,
            "GET_PARAMETER": self._on_parameter,
            "SET_PARAMETER": self._on_parameter,
        }

    def receive(self, request: Request) -> ServerStep:
        """Answer one request."""
        if request.cseq is None:
            return ServerStep(Response(400))
        handler = self._handlers.get(request.method)
        if handler is None:
            return self._reply(request, 405, ("Allow", PUBLIC))
        if request.method != "OPTIONS" and (challenges := self._unproven(request)) is not None:
            return self._reply(request, 401, *(("WWW-Authenticate", text) for text in challenges))
        return handler(request)

    def _unproven(self, request: Request) -> list[str] | None:
        """Return what to ask for; None when the request proves who sent it."""
        auth = self._options.auth
        if auth is None:
            return None
        given = request.headers.get("Authorization")
        is_right = bool(given) and auth.check(request.method, given, self._nonce)
        if is_right and not (self.is_nonce_single_use and self._is_nonce_used):
            self._is_nonce_used = True
            return None
        self._nonce, self._is_nonce_used = self._options.make_token(), False
        return auth.challenges(self._nonce, is_stale=is_right)

    def _reply(self, request: Request, status: int, *fields: tuple[str, str], body: bytes = b"") -> ServerStep:
        head = [("CSeq", request.headers.get("CSeq")), ("Server", self._options.server_name)]
        return ServerStep(Response(status, headers=Headers([*head, *fields]), body=body))

    def _session_field(self) -> tuple[str, str]:
        return ("Session", f"{self.session_id};timeout={self._options.session_timeout_s}")

    def _on_options(self, request: Request) -> ServerStep:
        return self._reply(request, 200, ("Public", PUBLIC))

    def _on_describe(self, request: Request) -> ServerStep:
        text = self._stage.describe(_path_of(request.url))
        if text is None:
            return self._reply(request, 404)
        fields = [("Content-Type", "application/sdp"), ("Content-Base", request.url.rstrip("/") + "/")]
        return self._reply(request, 200, *fields, body=text.encode())

    def _on_setup(self, request: Request) -> ServerStep:
        path, track = _split_track(_path_of(request.url))
        if track is None or not self._stage.has_track(path, track):
            return self._reply(request, 404)
        if self.is_playing or (self.path and path != self.path):
            return self._reply(request, 455)
        chosen = self._choose(track, parse_transport_request(request.headers.get("Transport")))
        if chosen is None:
            return self._reply(request, 461)
        if not self.session_id and not self._stage.may_set_up(path):
            return self._reply(request, 453)
        self.session_id = self.session_id or self._options.make_token()[:16]
        self.path, self.deliveries[track] = path, chosen
        return self._reply(request, 200, ("Transport", self._transport_text(chosen)), self._session_field())

    def _choose(self, track: int, offers: list[TransportRequest]) -> Delivery | None:
        for offer in offers:
            if offer.transport is Transport.TCP:
                first, second = (offer.first, offer.second) if offer.is_specified else (2 * track, 2 * track + 1)
                return Delivery(track=track, transport=Transport.TCP, rtp=first, rtcp=second)
            if offer.is_specified and self._stage.udp_ports() is not None:
                return Delivery(track=track, transport=Transport.UDP, rtp=offer.first, rtcp=offer.second)
        return None

    def _transport_text(self, chosen: Delivery) -> str:
        if chosen.transport is Transport.TCP:
            return f"RTP/AVP/TCP;unicast;interleaved={chosen.rtp}-{chosen.rtcp}"
        ports = self._stage.udp_ports()
        assert ports is not None  # `_choose` saw them
        return f"RTP/AVP;unicast;client_port={chosen.rtp}-{chosen.rtcp};server_port={ports[0]}-{ports[1]}"

    def _on_play(self, request: Request) -> ServerStep:
        if (wrong := self._wrong_session(request)) is not None:
            return wrong
        if not self.deliveries:
            return self._reply(request, 455)
        self.is_playing = True
        step = self._reply(request, 200, self._session_field(), ("Range", "npt=0.000-"))
        return ServerStep(step.reply, Change.PLAY)

    def _on_teardown(self, request: Request) -> ServerStep:
        named = request.headers.get("Session").partition(";")[0].strip()
        if named and named != self.session_id:
            return self._reply(request, 200 if self._stage.end_session(named) else 454)
        if (wrong := self._wrong_session(request)) is not None:
            return wrong
        step = self._reply(request, 200, self._session_field())
        self.is_playing = False
        self.session_id, self.path = "", ""
        self.deliveries = {}
        return ServerStep(step.reply, Change.TEARDOWN)

    def _on_parameter(self, request: Request) -> ServerStep:
        if "Session" in request.headers and (wrong := self._wrong_session(request)) is not None:
            return wrong
        return self._reply(request, 200, *([self._session_field()] if self.session_id else []))

    def _wrong_session(self, request: Request) -> ServerStep | None:
        named = request.headers.get("Session").partition(";")[0].strip()
        return None if self.session_id and named == self.session_id else self._reply(request, 454)


def _path_of(url: str) -> str:
    """Return the path of an RTSP URL, unquoted, without query and outer slashes; empty when there is none."""
    try:
        return unquote(urlsplit(url).path).strip("/")
    except ValueError:
        return ""


def _split_track(path: str) -> tuple[str, int | None]:
    """Return stream path and track number of `cam1/sub/track1`."""
    head, _, last = path.rpartition("/")
    number = last.removeprefix("track")
    is_track = last.startswith("track") and number.isascii() and number.isdigit() and len(number) <= 3
    return (head, int(number)) if is_track else (path, None)

"""The client's side of an RTSP conversation (RFC 2326), without a socket: messages in, bytes and events out.

Theory of operation. One `ClientSession` is one connection to one camera:

    start → OPTIONS → DESCRIBE → [Described] → setup(tracks) → SETUP… → PLAY → [Playing] → keepalive… → teardown

A 401 repeats the request with credentials; every other refusal is one `Failed` and the session is over. Requests are
sent one at a time, except keepalives, whose answers nobody waits for (some cameras never answer them). Used by
`streams.ingest.rtsp` on the worker's loop. Refuses to guess credentials and to speak after `Failed`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from media.base.errors import LocalProtocolError, RemoteProtocolError
from media.rtsp.auth import Challenge, Credentials, DigestInput, authorization, parse_challenges
from media.rtsp.message import Headers, Message, Request, Response
from media.rtsp.transport import Transport, TransportReply, parse_transport
from media.sdp.session import parse as parse_sdp
from media.sdp.tracks import MediaDescription, effective_base, session_control, tracks_of

DEFAULT_SESSION_TIMEOUT_S = 60
"""RFC 2326 §12.37."""
_MAX_AUTH_TRIES = 3
"""Nothing, a nonce, and a fresh nonce after `stale`; a fourth would only lock the account."""
_SILENT_KEEPALIVES = 2
"""Unanswered keepalives after which the method is changed (a GW4089IP ignores GET_PARAMETER)."""


class State(StrEnum):
    """Where the conversation is."""

    NEW = "new"
    ASKING = "asking"  # OPTIONS or DESCRIBE under way
    DESCRIBED = "described"
    SETTING_UP = "setting_up"  # SETUP or PLAY under way
    PLAYING = "playing"
    CLOSING = "closing"
    CLOSED = "closed"


class Failure(StrEnum):
    """Why a conversation ended, in the words of `media.packet.EndReason`."""

    UNAUTHORIZED = "unauthorized"
    NOT_FOUND = "not_found"
    REFUSED = "refused"
    UNSUPPORTED = "unsupported"
    PROTOCOL = "protocol_error"


_FAILURES = {401: Failure.UNAUTHORIZED, 403: Failure.UNAUTHORIZED, 404: Failure.NOT_FOUND, 461: Failure.UNSUPPORTED}


@dataclass(frozen=True, slots=True)
class Described:
    """The camera told its tracks; answer with `ClientSession.setup`."""

    tracks: tuple[MediaDescription, ...]


@dataclass(frozen=True, slots=True)
class PlayingTrack:
    """One track as agreed: where its packets arrive."""

    media: MediaDescription
    reply: TransportReply


@dataclass(frozen=True, slots=True)
class Playing:
    """PLAY was accepted. Packets may have come before."""

    tracks: tuple[PlayingTrack, ...]


@dataclass(frozen=True, slots=True)
class Redirected:
    """The camera is elsewhere; the session is over, connect to `url`."""

    url: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The session is over. `status` is the refusing reply's, 0 when it was not a reply."""

    reason: Failure
    status: int
    message: str


@dataclass(frozen=True, slots=True)
class TornDown:
    """The camera answered TEARDOWN, whatever it said: its session is gone."""


Event = Described | Playing | Redirected | Failed | TornDown


@dataclass(frozen=True, slots=True)
class Step:
    """What one received message leads to: bytes to send now, and events."""

    send: bytes = b""
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """`make_cnonce` gives the digest's client nonce."""

    transport: Transport = Transport.TCP
    user_agent: str = "Xiangyun"
    make_cnonce: Callable[[], str] = lambda: "0a4f113b"


@dataclass(slots=True)
class _Exchange:
    """A request under way."""

    request: Request
    on_response: Callable[[Response, int], Step]
    auth_tries: int = 0


@dataclass(slots=True)
class _Keepalive:
    """How this camera wants to be kept awake."""

    period_ns: int = 0
    method: str = "OPTIONS"
    next_mono_ns: int | None = None
    silent: int = 0


@dataclass(slots=True)
class _Setup:
    """The tracks being set up and the agreements so far."""

    tracks: tuple[MediaDescription, ...] = ()
    ports: tuple[int, ...] = ()
    transport: Transport = Transport.TCP
    done: list[PlayingTrack] = field(default_factory=list)


class ClientSession:
    """One conversation. Every `now` is monotonic, in nanoseconds. Calls that do not fit raise LocalProtocolError."""

    def __init__(self, url: str, credentials: Credentials | None = None, options: ClientOptions | None = None) -> None:
        """`url` is without credentials; they go in beside it."""
        self.url = url
        self.state = State.NEW
        self.session_id = ""
        self.control_url = url
        self._base = url
        self._credentials = credentials
        self._options = options or ClientOptions()
        self._challenge: Challenge | None = None
        self._nonce_count = 0
        self._cseq = 0
        self._pending: dict[int, _Exchange] = {}
        self._keepalive = _Keepalive()
        self._setup = _Setup()
        self._public: frozenset[str] = frozenset()

    # What the driver calls.

    def start(self) -> bytes:
        """Begin: return the first request."""
        self._must_be(State.NEW)
        self.state = State.ASKING
        return self._send("OPTIONS", self.url, self._on_options)

    def setup(self, tracks: Sequence[MediaDescription], udp_ports: Sequence[int] = ()) -> bytes:
        """Set up `tracks` (at least one) and play; for UDP one even local port per track, RTCP one above."""
        self._must_be(State.DESCRIBED)
        if not tracks or (self._options.transport is Transport.UDP and len(udp_ports) != len(tracks)):
            raise LocalProtocolError("nothing to set up, or not one port per track")
        self._setup = _Setup(tuple(tracks), tuple(udp_ports), self._options.transport)
        self.state = State.SETTING_UP
        return self._send_setup()

    @property
    def next_keepalive_mono_ns(self) -> int | None:
        """When `keepalive` is due; None while not playing."""
        return self._keepalive.next_mono_ns if self.state is State.PLAYING else None

    def keepalive(self, now_mono_ns: int) -> bytes:
        """Return the request that keeps the session alive, and set the next date. Do not wait for its answer."""
        self._must_be(State.PLAYING)
        alive = self._keepalive
        alive.next_mono_ns = now_mono_ns + alive.period_ns
        alive.silent += 1
        if alive.silent > _SILENT_KEEPALIVES:
            alive.method = "OPTIONS" if alive.method == "GET_PARAMETER" else "GET_PARAMETER"
            alive.silent = 1
            self._pending = {k: e for k, e in self._pending.items() if e.on_response != self._on_keepalive}
        return self._send(alive.method, self._base, self._on_keepalive)

    def teardown(self) -> bytes:
        """Return the farewell; empty when there is no session to end. `TornDown` follows if the camera answers."""
        if self.state in (State.CLOSING, State.CLOSED) or not self.session_id:
            self.state = State.CLOSED
            return b""
        self.state = State.CLOSING
        self._pending.clear()
        return self._send("TEARDOWN", self.control_url, self._on_teardown)

    def teardown_leftover(self, session_id: str, control_url: str) -> bytes:
        """On a fresh connection, end the session of a connection that died: return its TEARDOWN."""
        self._must_be(State.NEW)
        self.session_id, self.control_url = session_id, control_url
        return self.teardown()

    def receive(self, message: Message, now_mono_ns: int) -> Step:
        """Take one message of the camera. What is not awaited is ignored."""
        if self.state in (State.NEW, State.CLOSED):
            return Step()
        if isinstance(message, Request):
            return self._on_request(message)
        exchange = self._exchange_of(message)
        if exchange is None or message.status < 200:
            return Step()
        if message.status == 401:
            return self._on_unauthorized(message, exchange, now_mono_ns)
        return exchange.on_response(message, now_mono_ns)

    # Requests out.

    def _must_be(self, state: State) -> None:
        if self.state is not state:
            raise LocalProtocolError("the session is in another state", state=self.state.value, expected=state.value)

    def _send(self, method: str, url: str, then: Callable[[Response, int], Step], **fields: str) -> bytes:
        headers = [(name.replace("_", "-"), value) for name, value in fields.items()]
        return self._send_exchange(_Exchange(Request(method, url, Headers(headers)), then))

    def _send_exchange(self, exchange: _Exchange) -> bytes:
        self._cseq += 1
        self._pending[self._cseq] = exchange
        request = exchange.request
        fields = [("CSeq", str(self._cseq)), ("User-Agent", self._options.user_agent)]
        if self._challenge is not None and self._credentials is not None:
            self._nonce_count += 1
            made_over = DigestInput(
                method=request.method,
                uri=request.url,
                cnonce=self._options.make_cnonce(),
                nonce_count=self._nonce_count,
            )
            fields.append(("Authorization", authorization(self._challenge, self._credentials, made_over)))
        if self.session_id:
            fields.append(("Session", self.session_id))
        return Request(request.method, request.url, Headers([*fields, *request.headers])).to_bytes()

    def _exchange_of(self, response: Response) -> _Exchange | None:
        """Find the request that is answered; a reply without CSeq answers the only one under way."""
        cseq = response.cseq
        if cseq is None and len(self._pending) == 1:
            cseq = next(iter(self._pending))
        return self._pending.pop(cseq, None) if cseq is not None else None

    # Answers in.

    def _on_unauthorized(self, response: Response, exchange: _Exchange, now_mono_ns: int) -> Step:
        challenges = parse_challenges(response.headers.get_all("WWW-Authenticate"))
        exchange.auth_tries += 1
        is_stuck = exchange.auth_tries >= _MAX_AUTH_TRIES or (
            exchange.auth_tries > 1 and challenges and not self._is_new(challenges[0])
        )
        if self._credentials is None or not challenges or is_stuck:
            if exchange.on_response == self._on_keepalive:
                return Step()  # media flows: a quarrel about keepalives does not end it
            return exchange.on_response(response, now_mono_ns)
        self._challenge, self._nonce_count = challenges[0], 0
        return Step(self._send_exchange(exchange))

    def _is_new(self, challenge: Challenge) -> bool:
        return self._challenge is None or challenge.is_stale or challenge.nonce != self._challenge.nonce

    def _fail(self, response: Response, message: str, reason: Failure | None = None) -> Step:
        self.state = State.CLOSED
        if reason is None:
            reason = _FAILURES.get(response.status, Failure.REFUSED)
        return Step(events=(Failed(reason, response.status, message),))

    def _redirected(self, response: Response) -> Step | None:
        location = response.headers.get("Location")
        if not 300 <= response.status < 400 or not location.lower().startswith(("rtsp://", "rtsps://")):
            return None
        self.state = State.CLOSED
        return Step(events=(Redirected(location),))

    def _on_options(self, response: Response, _now_mono_ns: int) -> Step:
        """Go on to DESCRIBE; a camera that refuses OPTIONS may still have everything else."""
        if response.status == 401:
            return self._fail(response, "the camera refuses the credentials")
        if (redirected := self._redirected(response)) is not None:
            return redirected
        methods = response.headers.get("Public").upper().split(",")
        self._public = frozenset(word.strip() for word in methods)
        if "GET_PARAMETER" in self._public:
            self._keepalive.method = "GET_PARAMETER"
        return Step(self._send("DESCRIBE", self.url, self._on_describe, Accept="application/sdp"))

    def _on_describe(self, response: Response, _now_mono_ns: int) -> Step:
        if (redirected := self._redirected(response)) is not None:
            return redirected
        if response.status != 200:
            return self._fail(response, "the camera refuses to describe the stream")
        headers = response.headers
        self._base = effective_base(self.url, headers.get("Content-Base"), headers.get("Content-Location"))
        try:
            description = parse_sdp(response.body)
        except RemoteProtocolError as error:
            return self._fail(response, error.message, Failure.PROTOCOL)
        tracks = tuple(tracks_of(description, self._base))
        if not tracks:
            return self._fail(response, "the stream has no track that can be carried", Failure.UNSUPPORTED)
        self.control_url = session_control(description, self._base)
        self.state = State.DESCRIBED
        return Step(events=(Described(tracks),))

    def _send_setup(self) -> bytes:
        setup, index = self._setup, len(self._setup.done)
        if setup.transport is Transport.TCP:
            text = f"RTP/AVP/TCP;unicast;interleaved={2 * index}-{2 * index + 1}"
        else:
            port = setup.ports[index]
            text = f"RTP/AVP;unicast;client_port={port}-{port + 1}"
        return self._send("SETUP", setup.tracks[index].control_url, self._on_setup, Transport=text)

    def _on_setup(self, response: Response, _now_mono_ns: int) -> Step:
        setup, index = self._setup, len(self._setup.done)
        if response.status == 461 and setup.transport is Transport.UDP and not setup.done:
            setup.transport = Transport.TCP
            return Step(self._send_setup())
        if response.status != 200 and setup.done and setup.tracks[index].kind.value == "audio":
            setup.tracks = setup.tracks[:index] + setup.tracks[index + 1 :]  # better mute than blind
            return self._after_setup()
        if response.status != 200:
            return self._fail(response, "the camera refuses to set up the track")
        self._take_session(response.headers.get("Session"))
        reply = parse_transport(response.headers.get("Transport"), setup.transport, 2 * index)
        setup.transport = reply.transport
        setup.done.append(PlayingTrack(setup.tracks[index], reply))
        return self._after_setup()

    def _after_setup(self) -> Step:
        if len(self._setup.done) < len(self._setup.tracks):
            return Step(self._send_setup())
        return Step(self._send("PLAY", self.control_url, self._on_play, Range="npt=0.000-"))

    def _take_session(self, text: str) -> None:
        """Keep the first session id (some cameras send another with every SETUP) and the shortest timeout."""
        session_id, _, rest = text.partition(";")
        self.session_id = self.session_id or session_id.strip()
        name, _, seconds = rest.partition("=")
        seconds = seconds.strip().split(";")[0]
        is_timeout = name.strip().lower() == "timeout" and seconds.isascii() and seconds.isdigit() and len(seconds) < 9
        timeout_s = max(1, int(seconds)) if is_timeout else DEFAULT_SESSION_TIMEOUT_S
        period_ns = round(max(1.0, min(timeout_s / 2, timeout_s - 5.0)) * 1e9)
        known_ns = self._keepalive.period_ns
        self._keepalive.period_ns = min(known_ns, period_ns) if known_ns else period_ns

    def _on_play(self, response: Response, now_mono_ns: int) -> Step:
        if response.status != 200:
            return self._fail(response, "the camera refuses to play")
        self._take_session(response.headers.get("Session"))
        self.state = State.PLAYING
        self._keepalive.next_mono_ns = now_mono_ns + self._keepalive.period_ns
        return Step(events=(Playing(tuple(self._setup.done)),))

    def _on_keepalive(self, response: Response, _now_mono_ns: int) -> Step:
        self._keepalive.silent = 0
        if response.status == 454 and self.state is State.PLAYING:
            return self._fail(response, "the camera has forgotten the session")
        if response.status >= 400 and self._keepalive.method == "GET_PARAMETER":
            self._keepalive.method = "OPTIONS"
        return Step()

    def _on_teardown(self, _response: Response, _now_mono_ns: int) -> Step:
        self.state = State.CLOSED
        return Step(events=(TornDown(),))

    def _on_request(self, request: Request) -> Step:
        """Answer a request of the camera: some send OPTIONS or ANNOUNCE in mid-stream and wait."""
        is_known = request.method in ("OPTIONS", "GET_PARAMETER", "SET_PARAMETER", "ANNOUNCE", "REDIRECT")
        fields = [("CSeq", request.headers.get("CSeq", "0"))]
        if self.session_id:
            fields.append(("Session", self.session_id))
        reply = Response(200 if is_known else 501, headers=Headers(fields)).to_bytes()
        location = request.headers.get("Location")
        if request.method == "REDIRECT" and location.lower().startswith(("rtsp://", "rtsps://")):
            self.state = State.CLOSED
            return Step(reply, (Redirected(location),))
        return Step(reply)

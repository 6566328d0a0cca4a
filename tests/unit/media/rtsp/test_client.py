"""Scripted dialogues with cameras as they are found in the field."""

import pytest

from media.base.errors import LocalProtocolError
from media.rtsp.auth import Credentials
from media.rtsp.client import (
    ClientOptions,
    ClientSession,
    Described,
    Failed,
    Failure,
    Playing,
    Redirected,
    State,
    Step,
    TornDown,
)
from media.rtsp.message import Headers, MessageParser, Request, Response
from media.rtsp.transport import Transport

URL = "rtsp://10.0.0.9/live?ch=1"
S = 1_000_000_000
SDP = b"v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:v\r\nm=audio 0 RTP/AVP 8\r\na=control:a\r\n"


def requests_in(data: bytes) -> list[Request]:
    parser = MessageParser()
    parser.feed(data)
    found = []
    while (item := parser.next()) is not None:
        found.append(item)
    return found


class Camera:
    """Answers requests from a table method → reply, filling in CSeq unless told not to."""

    def __init__(self, session: ClientSession, **replies: Response) -> None:
        self.session = session
        self.replies = {
            "OPTIONS": reply(200, Public="OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER"),
            "DESCRIBE": Response(200, body=SDP),
            "SETUP": reply(200, Session="abc;timeout=60", Transport="RTP/AVP/TCP;unicast;interleaved=0-1"),
            "PLAY": reply(200, Session="abc"),
            "GET_PARAMETER": reply(200),
            "TEARDOWN": reply(200),
            **replies,
        }
        self.heard: list[Request] = []
        self.events: list[object] = []
        self.has_cseq = True

    def answer(self, data: bytes, now_s: float = 0.0) -> None:
        """Answer until the client has nothing more to say."""
        queue = requests_in(data)
        while queue:
            request = queue.pop(0)
            self.heard.append(request)
            step = self.session.receive(self.reply_to(request), round(now_s * S))
            self.events += step.events
            queue += requests_in(step.send)

    def reply_to(self, request: Request) -> Response:
        found = self.replies[request.method]
        found = found.pop(0) if isinstance(found, list) else found
        cseq = [("CSeq", request.headers.get("CSeq"))] if self.has_cseq else []
        return Response(found.status, "", Headers([*cseq, *found.headers]), found.body)

    @property
    def methods(self) -> list[str]:
        return [request.method for request in self.heard]


def reply(status: int, **fields: str) -> Response:
    return Response(status, "", Headers([(name.replace("_", "-"), value) for name, value in fields.items()]))


def unauthorized(*challenges: str) -> Response:
    return Response(401, "", Headers([("WWW-Authenticate", text) for text in challenges]))


def playing(transport: Transport = Transport.TCP, who: Credentials | None = None, **replies) -> Camera:
    """Return a camera whose client has come as far as it gets, with every described track."""
    session = ClientSession(URL, who, ClientOptions(transport=transport))
    camera = Camera(session, **replies)
    camera.answer(session.start())
    if isinstance(camera.events[-1], Described):
        tracks = camera.events[-1].tracks
        camera.answer(session.setup(tracks, [5000 + 2 * i for i in range(len(tracks))]))
    return camera


def test_a_plain_camera_plays():
    camera = playing()
    assert camera.methods == ["OPTIONS", "DESCRIBE", "SETUP", "SETUP", "PLAY"]
    event = camera.events[-1]
    assert isinstance(event, Playing)
    assert [t.media.params.codec.value for t in event.tracks] == ["h264", "pcma"]
    assert camera.session.state is State.PLAYING
    setup = camera.heard[2]
    assert setup.url == URL + "/v"
    assert setup.headers.get("Transport") == "RTP/AVP/TCP;unicast;interleaved=0-1"
    assert camera.heard[3].headers.get("Transport").endswith("interleaved=2-3")
    assert camera.heard[4].url == URL
    assert {r.headers.get("Session") for r in camera.heard[3:]} == {"abc"}
    assert all(r.headers.get("User-Agent") for r in camera.heard)  # some answer 401 without


def test_every_cseq_is_new():
    assert len({r.cseq for r in playing().heard}) == 5


def test_udp_asks_for_ports_and_learns_the_cameras():
    setup = reply(200, Session="s", Transport="RTP/AVP;unicast;client_port=5000-5001;server_port=6000-6001;ssrc= 1A2B ")
    camera = playing(Transport.UDP, SETUP=setup)
    assert camera.heard[2].headers.get("Transport") == "RTP/AVP;unicast;client_port=5000-5001"
    first = camera.events[-1].tracks[0].reply
    assert (first.transport, first.server_rtp_port, first.server_rtcp_port) == (Transport.UDP, 6000, 6001)
    assert first.ssrc == 0x1A2B


def test_udp_refused_with_461_is_tried_again_by_tcp():
    tcp = reply(200, Session="s", Transport="RTP/AVP/TCP;interleaved=0-1")
    camera = playing(Transport.UDP, SETUP=[reply(461), tcp, tcp])
    assert camera.methods.count("SETUP") == 3
    assert isinstance(camera.events[-1], Playing)
    assert {t.reply.transport for t in camera.events[-1].tracks} == {Transport.TCP}


def test_camera_that_answers_tcp_to_udp_is_believed():
    camera = playing(Transport.UDP, SETUP=reply(200, Session="s", Transport="RTP/AVP/TCP;unicast;interleaved=4-5"))
    assert camera.events[-1].tracks[0].reply.transport is Transport.TCP
    assert camera.events[-1].tracks[0].reply.rtp_channel == 4


@pytest.mark.parametrize(
    ("defect", "transport", "channels"),
    [
        ("other channels", "RTP/AVP/TCP;unicast;interleaved=6-7", (6, 7)),
        ("one channel only", "RTP/AVP/TCP;interleaved=6", (6, 7)),
        ("udp profile in a tcp reply (Escam Q6)", "RTP/AVP;unicast;interleaved=0-1", (0, 1)),
        ("no transport at all", "", (0, 1)),
        ("nonsense", "RTP/AVP/TCP;interleaved=a-b;ssrc=xyz", (0, 1)),
        ("absurd channels", "RTP/AVP/TCP;interleaved=900-901", (0, 1)),
    ],
)
def test_odd_transport_replies(defect, transport, channels):
    camera = playing(SETUP=reply(200, Session="s", Transport=transport))
    first = camera.events[-1].tracks[0].reply
    assert (first.rtp_channel, first.rtcp_channel) == channels, defect


def test_session_id_that_changes_between_setups_stays_the_first():
    two = [reply(200, Session="one", Transport=""), reply(200, Session="two", Transport="")]
    camera = playing(SETUP=two)
    assert camera.heard[-1].headers.get("Session") == "one"


@pytest.mark.parametrize(
    ("session", "period_s"),
    [
        ("x", 30),
        ("x;timeout=60", 30),
        ("x; timeout = 60", 30),
        ("x;timeout=8", 3),
        ("x;timeout=1", 1),
        ("x;timeout=abc", 30),
        ("x;timeout=0", 1),
        ("x;timeout=20;more", 10),
    ],
)
def test_keepalive_is_due_in_half_the_timeout_and_five_seconds_before_it(session, period_s):
    camera = playing(SETUP=reply(200, Session=session, Transport=""), PLAY=reply(200))
    assert camera.session.next_keepalive_mono_ns == period_s * S


def test_keepalive_uses_get_parameter_when_offered_else_options():
    camera = playing()
    camera.answer(camera.session.keepalive(30 * S), 30)
    assert camera.methods[-1] == "GET_PARAMETER"
    assert camera.session.next_keepalive_mono_ns == 60 * S
    other = playing(OPTIONS=reply(200, Public="DESCRIBE, SETUP, PLAY"))
    other.answer(other.session.keepalive(30 * S), 30)
    assert other.methods[-1] == "OPTIONS"


def test_keepalive_method_that_is_refused_or_ignored_is_changed():
    refused = playing(GET_PARAMETER=reply(405))
    refused.answer(refused.session.keepalive(30 * S))
    assert requests_in(refused.session.keepalive(60 * S))[0].method == "OPTIONS"
    ignored = playing().session
    methods = [requests_in(ignored.keepalive(t * S))[0].method for t in (30, 60, 90, 120)]
    assert methods == ["GET_PARAMETER", "GET_PARAMETER", "OPTIONS", "OPTIONS"]


def test_a_forgotten_session_fails_at_the_keepalive():
    camera = playing(GET_PARAMETER=reply(454))
    camera.answer(camera.session.keepalive(30 * S))
    assert camera.events[-1] == Failed(Failure.REFUSED, 454, "the camera has forgotten the session")


def test_password_is_asked_for_and_given_with_the_strongest_scheme():
    who = Credentials("admin", "secret")
    ask = unauthorized('Basic realm="c"', 'Digest realm="c", nonce="n1"')
    camera = playing(who=who, DESCRIBE=[ask, Response(200, body=SDP)])
    assert camera.methods == ["OPTIONS", "DESCRIBE", "DESCRIBE", "SETUP", "SETUP", "PLAY"]
    assert "Authorization" not in camera.heard[1].headers
    for request in camera.heard[2:]:
        header = request.headers.get("Authorization")
        assert header.startswith("Digest ")
        assert f'uri="{request.url}"' in header
        assert "secret" not in header


def test_a_stale_nonce_in_mid_session_costs_one_repetition():
    who = Credentials("admin", "secret")
    ask = [unauthorized(f'Digest realm="c", nonce="n{i}", stale=true') for i in range(3)]
    setup = reply(200, Session="s", Transport="")
    camera = playing(who=who, DESCRIBE=[ask[0], Response(200, body=SDP)], SETUP=[ask[1], setup, setup])
    assert isinstance(camera.events[-1], Playing)
    camera.replies["GET_PARAMETER"] = [ask[2], reply(200)]
    camera.answer(camera.session.keepalive(30 * S))
    assert camera.methods[-2:] == ["GET_PARAMETER", "GET_PARAMETER"]
    assert camera.session.state is State.PLAYING


@pytest.mark.parametrize("who", [None, Credentials("admin", "wrong")])
@pytest.mark.parametrize("challenge", ['Digest realm="c", nonce="same"', 'Basic realm="c"', "Negotiate", ""])
def test_wrong_or_no_password_fails_after_few_tries(who, challenge):
    camera = playing(who=who, DESCRIBE=unauthorized(challenge))
    assert camera.events == [Failed(Failure.UNAUTHORIZED, 401, "the camera refuses to describe the stream")]
    assert camera.methods.count("DESCRIBE") <= 2
    assert camera.session.state is State.CLOSED


def test_ever_new_nonces_do_not_make_an_endless_loop():
    nonces = iter(range(100))
    camera = playing(who=Credentials("a", "b"))
    camera = Camera(ClientSession(URL, Credentials("a", "b")))
    camera.reply_to = lambda request: Response(
        401,
        "",
        Headers(
            [("CSeq", request.headers.get("CSeq")), ("WWW-Authenticate", f'Digest realm="c", nonce="{next(nonces)}"')]
        ),
    )
    camera.answer(camera.session.start())
    assert len(camera.heard) == 3
    assert isinstance(camera.events[-1], Failed)


@pytest.mark.parametrize(
    ("replies", "reason", "status"),
    [
        ({"DESCRIBE": reply(404)}, Failure.NOT_FOUND, 404),
        ({"DESCRIBE": reply(403)}, Failure.UNAUTHORIZED, 403),
        ({"DESCRIBE": reply(503)}, Failure.REFUSED, 503),
        ({"DESCRIBE": Response(200, body=b"")}, Failure.UNSUPPORTED, 200),
        ({"DESCRIBE": Response(200, body=b"v=0\r\nm=video 0 RTP/AVP 26\r\n")}, Failure.UNSUPPORTED, 200),
        ({"DESCRIBE": Response(200, body=b"a=x\r\n" * 20_000)}, Failure.PROTOCOL, 200),
        ({"SETUP": reply(453)}, Failure.REFUSED, 453),
        ({"SETUP": reply(461)}, Failure.UNSUPPORTED, 461),
        ({"PLAY": reply(455)}, Failure.REFUSED, 455),
    ],
)
def test_refusals_have_reasons(replies, reason, status):
    camera = playing(**replies)
    assert isinstance(camera.events[-1], Failed)
    assert (camera.events[-1].reason, camera.events[-1].status) == (reason, status)
    assert camera.session.state is State.CLOSED


def test_a_camera_that_refuses_options_may_still_play():
    assert isinstance(playing(OPTIONS=reply(501)).events[-1], Playing)


def test_a_refused_audio_track_costs_the_sound_not_the_picture():
    video = reply(200, Session="s", Transport="")
    camera = playing(SETUP=[video, reply(500)])
    assert [t.media.kind.value for t in camera.events[-1].tracks] == ["video"]


@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE"])
def test_redirection_ends_the_session_with_the_new_address(method):
    camera = playing(**{method: reply(302, Location="rtsp://other/live")})
    assert camera.events == [Redirected("rtsp://other/live")]
    assert camera.session.state is State.CLOSED


def test_redirection_to_nowhere_is_a_refusal():
    assert isinstance(playing(DESCRIBE=reply(302, Location="http://evil/")).events[-1], Failed)


def test_replies_without_cseq_answer_the_only_request_under_way():
    camera = Camera(ClientSession(URL))
    camera.has_cseq = False
    camera.answer(camera.session.start())
    assert isinstance(camera.events[-1], Described)


def test_replies_nobody_waits_for_are_ignored():
    session = playing().session
    assert session.receive(Response(200, "", Headers([("CSeq", "999")])), 0) == Step()
    assert session.receive(Response(500), 0) == Step()
    assert session.state is State.PLAYING


def test_provisional_and_early_messages_are_ignored():
    session = ClientSession(URL)
    assert session.receive(Response(200), 0) == Step()


def test_requests_of_the_camera_are_answered():
    session = playing().session
    for method, status in (("OPTIONS", 200), ("ANNOUNCE", 200), ("SET_PARAMETER", 200), ("RECORD", 501)):
        step = session.receive(Request(method, URL, Headers([("CSeq", "77")])), 0)
        parser = MessageParser()
        parser.feed(step.send)
        answer = parser.next()
        assert (answer.status, answer.cseq) == (status, 77)
    step = session.receive(Request("REDIRECT", URL, Headers([("CSeq", "8"), ("Location", "rtsp://b/")])), 0)
    assert step.events == (Redirected("rtsp://b/"),)


def test_teardown_says_goodbye_once():
    camera = playing()
    camera.answer(camera.session.teardown())
    assert camera.methods[-1] == "TEARDOWN"
    assert camera.events[-1] == TornDown()
    assert camera.session.teardown() == b""


def test_teardown_before_a_session_exists_says_nothing():
    session = ClientSession(URL)
    session.start()
    assert session.teardown() == b""


def test_a_session_left_by_a_dead_worker_is_torn_down_on_a_new_connection():
    session = ClientSession(URL, Credentials("a", "b"))
    camera = Camera(session, TEARDOWN=[unauthorized('Digest realm="c", nonce="n"'), reply(454)])
    camera.answer(session.teardown_leftover("dead", URL + "/"))
    assert camera.methods == ["TEARDOWN", "TEARDOWN"]
    assert camera.heard[1].headers.get("Session") == "dead"
    assert camera.events == [TornDown()]


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.setup(()),
        lambda s: s.keepalive(0),
        lambda s: s.start() and s.start(),
        lambda s: s.start() and s.teardown_leftover("x", URL),
    ],
)
def test_calls_in_the_wrong_state_change_nothing(call):
    session = ClientSession(URL)
    with pytest.raises(LocalProtocolError):
        call(session)


def test_wrong_content_base_with_relative_controls_still_finds_the_tracks():
    describe = Response(200, "", Headers([("Content-Base", "192.168.1.10:554/live/")]), SDP)
    assert playing(DESCRIBE=describe).heard[2].url == URL + "/v"
    base = Response(200, "", Headers([("Content-Base", "rtsp://rtsp://10.0.0.9/live/")]), SDP)
    assert playing(DESCRIBE=base).heard[2].url == "rtsp://10.0.0.9/live/v"

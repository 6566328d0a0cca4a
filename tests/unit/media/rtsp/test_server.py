"""The server session, asked by our own client and by rude ones."""

import itertools

import pytest

from media.codec.g711 import g711_params
from media.packet import Codec
from media.rtsp.auth import Credentials, Scheme, ServerAuth
from media.rtsp.client import ClientOptions, ClientSession, Described, Failed, Playing, TornDown
from media.rtsp.message import Headers, MessageParser, Request
from media.rtsp.server import Change, Delivery, ServerOptions, ServerSession
from media.rtsp.transport import Transport
from media.sdp.tracks import TrackOffer, describe

URL = "rtsp://127.0.0.1:8554/cam1"
WHO = Credentials("admin", "secret")


class House:
    """A stage with one stream of two tracks."""

    def __init__(self) -> None:
        self.has_udp = True
        self.is_full = False
        self.ended: list[str] = []

    def describe(self, path):
        if path != "cam1":
            return None
        offers = [TrackOffer(params=g711_params(c), payload_type=n, control=f"track{i}") for i, (c, n) in enumerate(
            [(Codec.PCMA, 8), (Codec.PCMU, 0)]
        )]  # fmt: skip
        return describe(offers)

    def has_track(self, path, track):
        return path == "cam1" and track < 2

    def udp_ports(self):
        return (6000, 6001) if self.has_udp else None

    def may_set_up(self, path):
        return not self.is_full

    def end_session(self, session_id):
        self.ended.append(session_id)
        return session_id == "dead"


def server(house: House | None = None, **options) -> ServerSession:
    counter = itertools.count(1)
    return ServerSession(house or House(), ServerOptions(make_token=lambda: f"token{next(counter):027d}", **options))


def ask(session: ServerSession, method: str, url: str = URL, **fields: str):
    headers = [("CSeq", "5"), *((name.replace("_", "-"), value) for name, value in fields.items())]
    return session.receive(Request(method, url, Headers(headers)))


def converse(client: ClientSession, session: ServerSession, data: bytes) -> list:
    """Carry bytes between the two until both are silent; return the client's events."""
    to_server, to_client, events = MessageParser(), MessageParser(), []
    to_server.feed(data)
    while (request := to_server.next()) is not None:
        to_client.feed(session.receive(request).reply.to_bytes())
        while (reply := to_client.next()) is not None:
            step = client.receive(reply, 0)
            events += step.events
            to_server.feed(step.send)
    return events


@pytest.mark.parametrize("transport", list(Transport))
@pytest.mark.parametrize("schemes", [None, (Scheme.BASIC,), (Scheme.DIGEST_MD5,), (Scheme.DIGEST_SHA256, Scheme.BASIC)])
def test_our_client_and_our_server_agree(transport, schemes):
    auth = ServerAuth(credentials=WHO, schemes=schemes) if schemes else None
    session, client = server(auth=auth), ClientSession(URL, WHO, ClientOptions(transport=transport))
    (described,) = converse(client, session, client.start())
    assert isinstance(described, Described)
    (playing,) = converse(client, session, client.setup(described.tracks, [5000, 5002]))
    assert isinstance(playing, Playing)
    assert session.is_playing
    assert session.path == "cam1"
    first = (5000, 5001) if transport is Transport.UDP else (0, 1)
    assert session.deliveries[0] == Delivery(track=0, transport=transport, rtp=first[0], rtcp=first[1])
    assert converse(client, session, client.keepalive(0)) == []
    assert converse(client, session, client.teardown()) == [TornDown()]
    assert not session.is_playing
    assert session.deliveries == {}


def test_single_use_nonces_cost_the_client_a_repetition_each():
    session = server(auth=ServerAuth(credentials=WHO, schemes=(Scheme.DIGEST_MD5,)))
    session.is_nonce_single_use = True
    client = ClientSession(URL, WHO)
    (described,) = converse(client, session, client.start())
    assert isinstance(converse(client, session, client.setup(described.tracks))[0], Playing)


def test_wrong_password_is_refused():
    client = ClientSession(URL, Credentials("admin", "wrong"))
    (failed,) = converse(client, server(auth=ServerAuth(credentials=WHO)), client.start())
    assert isinstance(failed, Failed)
    assert failed.status == 401


def test_options_needs_no_password_and_everything_else_does():
    session = server(auth=ServerAuth(credentials=WHO))
    assert ask(session, "OPTIONS").reply.status == 200
    for method in ("DESCRIBE", "SETUP", "PLAY", "TEARDOWN", "GET_PARAMETER"):
        assert ask(session, method).reply.status == 401


@pytest.mark.parametrize(
    ("method", "url", "fields", "status"),
    [
        ("DESCRIBE", "rtsp://h/none", {}, 404),
        ("DESCRIBE", "rtsp://[broken", {}, 404),
        ("DESCRIBE", "*", {}, 404),
        ("RECORD", URL, {}, 405),
        ("SETUP", URL, {"Transport": "RTP/AVP/TCP"}, 404),
        ("SETUP", URL + "/track9", {"Transport": "RTP/AVP/TCP"}, 404),
        ("SETUP", URL + "/track٣", {"Transport": "RTP/AVP/TCP"}, 404),
        ("SETUP", URL + "/track0", {}, 461),
        ("SETUP", URL + "/track0", {"Transport": "RTP/AVP;multicast"}, 461),
        ("SETUP", URL + "/track0", {"Transport": "RTP/AVP;unicast"}, 461),
        ("SETUP", URL + "/track0", {"Transport": "RTP/AVP;client_port=99999-99999"}, 461),
        ("SETUP", URL + "/track0", {"Transport": "nonsense"}, 461),
        ("PLAY", URL, {}, 454),
        ("PLAY", URL, {"Session": "nope"}, 454),
        ("TEARDOWN", URL, {"Session": "nope"}, 454),
        ("GET_PARAMETER", URL, {"Session": "nope"}, 454),
    ],
)
def test_wrong_requests_get_the_status_a_camera_would_use(method, url, fields, status):
    assert ask(server(), method, url, **fields).reply.status == status


def test_a_request_without_cseq_is_bad():
    assert server().receive(Request("OPTIONS", URL)).reply.status == 400


def test_udp_is_refused_when_not_served_and_a_second_offer_is_taken():
    house = House()
    house.has_udp = False
    offer = "RTP/AVP;unicast;client_port=5000-5001, RTP/AVP/TCP;unicast;interleaved=2-3"
    step = ask(server(house), "SETUP", URL + "/track0", Transport=offer)
    assert step.reply.headers.get("Transport") == "RTP/AVP/TCP;unicast;interleaved=2-3"


def test_a_full_camera_refuses_with_453():
    house = House()
    house.is_full = True
    assert ask(server(house), "SETUP", URL + "/track0", Transport="RTP/AVP/TCP").reply.status == 453


def test_teardown_of_another_connections_session_is_passed_on():
    house = House()
    assert ask(server(house), "TEARDOWN", Session="dead").reply.status == 200
    assert house.ended == ["dead"]


def test_play_and_teardown_tell_what_changes():
    session = server()
    reply = ask(session, "SETUP", URL + "/track0", Transport="RTP/AVP/TCP").reply
    named = reply.headers.get("Session").split(";")[0]
    assert ask(session, "SETUP", URL + "/track1", Transport="RTP/AVP/TCP").reply.status == 200
    assert ask(session, "PLAY", Session=named).change is Change.PLAY
    assert ask(session, "SETUP", URL + "/track1", Transport="RTP/AVP/TCP").reply.status == 455
    assert ask(session, "TEARDOWN", Session=named + ";timeout=60").change is Change.TEARDOWN
    assert ask(session, "PLAY", Session=named).reply.status == 454

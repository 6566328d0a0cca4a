"""A publisher from its first offer to its end, without ICE and DTLS."""

import asyncio

import pytest

from media.base.errors import ErrorKind, HubError
from media.rtp import rtcp
from streams.publication import TrackName
from streams.webrtc import publishing
from streams.webrtc.peer import PeerEnd
from streams.webrtc.publishing import NOTICE_NS, RTCP_PER_S, SILENCE_NS, PublishEnd, PublishEvents, PublishingPeer
from tests.unit.streams.webrtc.engine import PlainEngine, PlainPeer
from tests.unit.streams.webrtc.publisher import (
    ALL,
    CAMERA,
    MICROPHONE,
    MS,
    OPUS,
    SCREEN,
    SECOND,
    SOURCE,
    Encoder,
    audio_line,
    nacked,
    offer_of,
    video_line,
)
from tests.unit.streams.webrtc.test_offer import HEAD

NAMES = {"0": CAMERA, "1": MICROPHONE}
OFFER = offer_of(video_line("0"), audio_line("1"))
BOTH = offer_of(video_line("0"), audio_line("1"), video_line("2"))


class Person:
    """A publishing peer, what it told, and the browser's side of its path."""

    def __init__(self) -> None:
        self.engine = PlainEngine()
        self.notices: list[str] = []
        self.ends: list[PublishEnd] = []
        self.levels: list[tuple[TrackName, int]] = []
        self.wanted: list[tuple[TrackName, frozenset[str]]] = []
        events = PublishEvents(
            on_layers_wanted=lambda *wanted: self.wanted.append(wanted),
            on_level=lambda name, level, _at: self.levels.append((name, level)),
            on_ended=self.ends.append,
            on_notice=self.notices.append,
        )
        self.peer = PublishingPeer(self.engine, SOURCE, events)  # type: ignore[arg-type]
        self.peer.allow(ALL)

    @property
    def path(self) -> PlainPeer:
        return self.engine.peers[0]

    async def connect(self, offer: str = OFFER, names: dict[str, TrackName] = NAMES) -> str:
        answer = await self.peer.answer(offer, names)
        await asyncio.sleep(0)
        self.path.secure()
        return answer

    def send(self, *packets: object) -> None:
        for packet in packets:
            self.path.events.on_media(packet if isinstance(packet, bytes) else packet.to_bytes())

    def told(self, kind: type) -> list[object]:
        return [one for compound in self.path.sent for one in rtcp.parse_compound(compound) if isinstance(one, kind)]

    def review(self, seconds: int = 1) -> None:
        """Let the clock of the second-hand run, as the task does."""
        for _ in range(seconds):
            self.engine.clock.advance(1)
            self.peer._review(self.engine.clock.mono_ns())


@pytest.fixture
async def person():
    made = Person()
    yield made
    await made.peer.aclose()


async def test_a_publisher_is_answered_and_its_tracks_appear(person):
    answer = await person.connect()
    assert answer.count("m=") == 2
    assert person.peer.publication.tracks == ()
    person.send(Encoder(10, "0").picture(0, 1, is_key=True)[0])
    person.send(Encoder(20, "1", payload_type=OPUS).packet(b"sound", 0, level=12))
    assert {track.name for track in person.peer.publication.tracks} == {CAMERA, MICROPHONE}
    assert person.levels == [(MICROPHONE, 12)]
    stats = person.peer.stats()
    assert (stats.state, stats.packets, stats.remote, stats.source) == ("live", 2, "10.0.0.5:4000", SOURCE)


async def test_nothing_is_let_through_before_somebody_allows_it():
    person = Person()
    person.peer.allow(frozenset())
    await person.connect()
    person.send(Encoder(10, "0").picture(0, 1, is_key=True)[0])
    assert person.peer.publication.tracks == ()
    assert person.peer.stats().gated == 1
    await person.peer.aclose()


async def test_a_later_offer_adds_a_screen_and_another_takes_it_away(person):
    await person.connect()
    answer = await person.peer.answer(BOTH, {"2": SCREEN})
    assert answer.count("a=recvonly") == 3
    screen = Encoder(30, "2")
    person.send(screen.picture(0, 1, is_key=True)[0])
    assert person.peer.publication.get(SCREEN) is not None
    await person.peer.answer(BOTH.replace("a=mid:2\r\na=sendonly", "a=mid:2\r\na=inactive"), {})
    assert person.peer.publication.get(SCREEN) is None
    assert len(person.engine.peers) == 1


async def test_a_name_moves_to_the_line_that_is_given_it_last(person):
    await person.connect(offer_of(video_line("0"), audio_line("1")), {"0": SCREEN, "1": MICROPHONE})
    person.send(Encoder(30, "0").picture(0, 1, is_key=True)[0])
    before = person.peer.publication.get(SCREEN)
    await person.peer.answer(BOTH, {"2": SCREEN})
    assert person.peer.publication.get(SCREEN) is None
    person.send(Encoder(50, "2").picture(0, 1, is_key=True)[0])
    assert person.peer.publication.get(SCREEN) not in (None, before)


async def test_unpublish_ends_a_track_until_it_is_named_again(person):
    await person.connect()
    camera = Encoder(10, "0")
    person.send(camera.picture(0, 1, is_key=True)[0])
    person.peer.unpublish(CAMERA)
    person.send(camera.picture(3000, 1, is_key=True)[0])
    assert person.peer.publication.get(CAMERA) is None
    await person.peer.answer(OFFER, {"0": CAMERA})
    person.send(camera.picture(6000, 1, is_key=True)[0])
    assert person.peer.publication.get(CAMERA) is not None


async def test_fresh_credentials_are_a_new_way_for_the_same_publisher(person):
    await person.connect()
    await person.peer.answer(OFFER.replace("a=ice-ufrag:abcd", "a=ice-ufrag:efgh"), {})
    assert person.path.remote_fragment == "efgh"
    await asyncio.sleep(0)
    assert person.path.reconnected == 1
    assert not person.peer.ended.is_set()


async def test_candidates_come_later_and_those_of_another_generation_are_refused(person):
    line = "a=candidate:1 1 udp 5 10.0.0.7 5000 typ host\r\n"
    with pytest.raises(HubError) as early:
        await person.peer.add_candidates(line)
    assert early.value.code == "wrong_state"
    await person.connect()
    await person.peer.add_candidates("a=ice-ufrag:abcd\r\n" + line)
    assert [candidate.host for candidate in person.path.candidates] == ["10.0.0.7"]
    with pytest.raises(HubError) as other:
        await person.peer.add_candidates("a=ice-ufrag:zzzz\r\n" + line)
    assert (other.value.kind, other.value.code) == (ErrorKind.CONFLICT, "ice_restart_unsupported")


@pytest.mark.parametrize(
    ("offer", "names", "code"),
    [
        ("nonsense", {}, "bad_sdp"),
        (HEAD + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n" * 10_000, {}, "bad_sdp"),
        (OFFER, {"0": CAMERA, "1": CAMERA}, None),
        (offer_of(video_line("0"), video_line("1")), {"0": CAMERA, "1": CAMERA}, "bad_sdp"),
        (
            offer_of(video_line("0").replace("VP8/90000", "VP9/90000").replace("H264/90000", "AV1/90000")),
            {"0": CAMERA},
            "codec_unsupported",
        ),
    ],
)
async def test_what_cannot_be_answered_is_refused_and_leaves_nothing(person, offer, names, code):
    if code is None:
        await person.peer.answer(offer, names)
        return
    with pytest.raises(HubError) as error:
        await person.peer.answer(offer, names)
    assert error.value.code == code
    assert person.engine.peers == []


async def test_a_refused_later_offer_leaves_what_runs_alone(person):
    await person.connect()
    camera = Encoder(10, "0")
    person.send(camera.picture(0, 1, is_key=True)[0])
    with pytest.raises(HubError):
        await person.peer.answer("v=0\r\n", {})
    person.send(camera.picture(3000, 1)[0])
    assert person.peer.stats().packets == 2
    assert person.peer.publication.get(CAMERA) is not None


async def test_arrivals_holes_and_reports_are_told_in_time(person, monkeypatch):
    monkeypatch.setattr(publishing, "TICK_S", 0.001)
    monkeypatch.setattr(publishing, "REPAIR_S", 0.001)
    await person.connect()
    packets = Encoder(10, "0").picture(0, 3, is_key=True)
    person.send(packets[0], packets[2])
    person.engine.clock.advance(0.05)
    async with asyncio.timeout(5):
        while not (  # noqa: ASYNC110  # sent by two timers
            person.told(rtcp.GenericNack) and person.told(rtcp.TransportFeedback)
        ):
            await asyncio.sleep(0.001)
    assert [n for c in person.path.sent for n in nacked(c)] == [(10, (1001,))]
    person.review()
    report = next(one for one in person.told(rtcp.ReceiverReport) if one.reports)
    assert report.reports[0].ssrc == 10


async def test_a_wish_for_a_key_frame_is_sent_at_once(person):
    await person.connect()
    person.send(Encoder(10, "0").picture(0, 1, is_key=True)[0])
    track = person.peer.publication.get(CAMERA)
    for _ in range(50):
        track.origin.request_key(CAMERA, "")
    (wish,) = person.told(rtcp.PictureLoss)
    assert wish.media_ssrc == 10


async def test_what_nobody_watches_is_told_to_the_page(person):
    await person.connect()
    person.send(Encoder(10, "0").picture(0, 1, is_key=True)[0])
    person.review(5)
    assert person.wanted == [(CAMERA, frozenset())]
    person.peer.publication.get(CAMERA).watch("")
    assert person.wanted[1:] == [(CAMERA, frozenset({""}))]


async def test_mute_is_seen_by_viewers(person):
    await person.connect()
    person.send(Encoder(10, "0").picture(0, 1, is_key=True)[0])
    person.peer.set_muted(frozenset({CAMERA}))
    assert not person.peer.publication.get(CAMERA).is_live


async def test_silence_ends_a_publisher(person):
    await person.connect()
    person.send(Encoder(10, "0").picture(0, 1, is_key=True)[0])
    person.review(SILENCE_NS // SECOND)
    assert not person.peer.ended.is_set()
    person.review(1)
    assert person.ends == [PublishEnd.SILENT]
    assert person.peer.publication.is_ended
    person.review(0)
    with pytest.raises(HubError) as error:
        await person.peer.answer(OFFER, NAMES)
    assert error.value.code == "wrong_state"


@pytest.mark.parametrize("end", list(PeerEnd))
async def test_every_end_of_the_path_has_its_cause(person, end):
    await person.connect()
    person.path.end.set_result(end)
    async with asyncio.timeout(5):
        await person.peer.ended.wait()
    assert person.peer.cause.value == end.value
    assert person.peer.stats().state == "ended"


async def test_a_bug_in_the_path_ends_this_publisher_and_is_logged(person):
    await person.connect()
    person.path.end.set_exception(ZeroDivisionError())
    async with asyncio.timeout(5):
        await person.peer.ended.wait()
    assert person.ends == [PublishEnd.FAILED]


async def test_closing_frees_everything_once(person):
    await person.connect()
    await person.peer.aclose()
    await person.peer.aclose()
    assert person.ends == [PublishEnd.CLOSED]
    assert person.path.is_closed
    before = person.peer.stats().packets
    person.send(Encoder(10, "0").picture(0, 1, is_key=True)[0])
    assert person.peer.stats().packets == before


async def test_a_flood_of_feedback_and_garbage_is_bounded_and_counted(person):
    await person.connect()
    report = rtcp.build_compound([rtcp.ReceiverReport(ssrc=5)])
    person.send(*[report.ljust(16, b"\0")] * (2 * RTCP_PER_S))
    person.send(b"", b"\x80", b"\x80\xc8" + bytes(20), bytes(60), b"\x00\xc8" + bytes(20))
    stats = person.peer.stats()
    assert stats.rtcp_ignored >= RTCP_PER_S
    assert stats.malformed == 2
    assert stats.refused == 1


async def test_too_much_is_noticed_but_seldom(person):
    await person.connect()
    camera = Encoder(10, "0")
    packets = [camera.packet(bytes(1200), n, plain=n > 0).to_bytes() for n in range(2200)]
    for second in range(2 * NOTICE_NS // SECOND + 1):
        if second % 2 == 0:
            person.send(*packets)
        person.review(1)
    assert set(person.notices) == {"publish_rate_limited"}
    assert 2 <= len(person.notices) <= 3


async def test_nothing_is_allowed_or_muted_after_the_end(person):
    await person.connect()
    person.send(Encoder(10, "0").picture(0, 1, is_key=True)[0])
    await person.peer.aclose()
    person.peer.allow(frozenset())
    person.peer.set_muted(ALL)
    assert person.peer.publication.tracks == ()


def test_repairs_are_asked_for_sooner_than_a_picture_lasts():
    assert publishing.REPAIR_S * SECOND <= 20 * MS

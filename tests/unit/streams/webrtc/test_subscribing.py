"""What a viewer's feedback may cause, and when it counts as gone. The clock is simulated, the peer is a stand-in."""

import pytest

from media.base.errors import HubError
from media.packet import Kind
from media.rtp import rtcp
from media.timing import ntp_of_us
from streams.publication import TrackName
from streams.webrtc.outlet import OutletState
from streams.webrtc.peer import PeerEnd
from streams.webrtc.subscribing import RESEND_BURST, EndCause
from tests.unit.streams.webrtc.plane import H264, PCMA, Plane, assert_seamless, pictures_of, plane
from tests.unit.streams.webrtc.subscribers import OFFER, Page, publish, subscribe
from tests.unit.streams.webrtc.test_offer import AUDIO, HEAD, VIDEO


async def watching(p: Plane) -> Page:
    """Return a page that shows the plane's camera."""
    page = await subscribe(p)
    track, _ = publish({"main": p.feed.tracks[Kind.VIDEO]})
    page.connection.slots["0"].show(track)
    return page


async def test_nacks_are_answered_up_to_an_allowance():
    async with plane() as p:
        p.begin()
        p.picture(is_key=True, size=600_000)
        page = await watching(p)
        await p.settle()
        seqs = [packet.seq for packet in page.read()]
        page.say(rtcp.GenericNack(1, page.ssrc, tuple(seqs[:400])))
        assert page.connection.slots["0"].counters.resent == RESEND_BURST
        assert page.connection.slots["0"].counters.nacks == 400
        page.engine.clock.advance(0.1)
        page.say(rtcp.GenericNack(1, page.ssrc, tuple(seqs[:400])), rtcp.GenericNack(1, 4711, tuple(seqs[:3])))
        assert page.connection.slots["0"].counters.resent == RESEND_BURST + 50
        assert page.connection.slots["0"].counters.nacks == 800


async def test_a_lost_picture_is_given_again_once_a_second_without_a_seam():
    async with plane() as p:
        p.begin()
        p.picture(is_key=True)
        p.picture()
        page = await watching(p)
        await p.settle()
        page.engine.clock.advance(5)
        page.say(*[rtcp.PictureLoss(1, page.ssrc)] * 5)
        await p.settle()
        page.engine.clock.advance(1.1)
        page.say(rtcp.FullIntraRequest(1, ((page.ssrc, 7),)))
        await p.settle()
        packets = page.read()
        assert_seamless(packets)
        assert pictures_of(packets) == p.sent_pictures * 3
        counters = page.connection.slots["0"].counters
        assert (counters.key_requests, counters.groups_resent) == (6, 2)


async def test_a_viewer_that_waits_for_a_key_picture_asks_in_vain_and_costs_nothing():
    async with plane() as p:
        p.begin()
        page = await watching(p)
        page.engine.clock.advance(5)
        page.say(rtcp.PictureLoss(1, page.ssrc))
        assert page.connection.slots["0"].counters.groups_resent == 0
        assert page.connection.stats().slots[0].state == OutletState.WAITING.value


async def test_a_flood_of_feedback_and_anything_else_is_ignored_and_counted():
    async with plane() as p:
        p.begin()
        page = await watching(p)
        for data in (b"", b"\x80", b"\x80\x60" + bytes(20), b"\x80\xff" + bytes(20), b"\x80\xc8\xff\xff" + bytes(8)):
            page.connection.on_media(data)
        assert page.connection.stats().ignored == 5
        page.say(*[rtcp.ReceiverReport(ssrc=1)] * 1000)
        assert page.connection.stats().ignored > 800


async def test_reports_are_sent_and_their_answers_give_the_round_trip():
    async with plane() as p:
        p.begin()
        p.picture(is_key=True)
        page = await watching(p)
        await p.settle()
        slot, clock = page.connection.slots["0"], page.engine.clock
        p.feed.tracks[Kind.VIDEO].timeline.stamp(3600, clock.mono_ns())  # the simulated clock's idea of now
        page.pass_time(2.5)
        (report,) = page.reports()
        assert report.ssrc == page.ssrc
        assert report.ntp64 == ntp_of_us(clock.wall_us())
        assert (report.packets, report.octets) == slot.stream.totals()
        clock.advance(0.08)
        block = rtcp.ReportBlock(
            ssrc=page.ssrc, last_sr=report.ntp64 >> 16 & 0xFFFFFFFF, delay=round(0.03 * 65536), jitter=90
        )
        page.say(rtcp.ReceiverReport(ssrc=1, reports=(block,)))
        assert abs(page.connection.stats().rtt_ms - 50) < 0.1
        assert page.connection.stats().slots[0].jitter_ms == 1.0


async def test_the_quality_is_told_when_it_changes():
    async with plane() as p:
        p.begin()
        p.picture(is_key=True)
        page = await watching(p)
        for fraction in (0, 0, 0, 60, 60, 0):
            page.say(rtcp.ReceiverReport(ssrc=1, reports=(rtcp.ReportBlock(ssrc=page.ssrc, fraction_lost=fraction),)))
            page.pass_time(1)
        assert [(level, round(loss, 2)) for level, _, loss in page.qualities] == [(4, 0.0), (0, 0.23), (4, 0.0)]
        for _ in range(9):
            page.pass_time(1)
        assert len(page.qualities) == 3  # nothing is known any more, nothing is said


async def test_who_is_not_heard_for_25_seconds_is_gone():
    async with plane() as p:
        p.begin()
        page = await watching(p)
        for _ in range(24):
            page.pass_time(1, is_heard=False)
        assert page.ends == []
        page.peer.heard_mono_ns = page.engine.clock.mono_ns()
        page.pass_time(24, is_heard=False)
        assert page.ends == []
        page.pass_time(2, is_heard=False)
        assert page.ends == [EndCause.SILENT]
        assert page.engine.ticks == []
        await page.connection.aclose()
        assert page.connection.cause is EndCause.SILENT


async def test_who_gets_media_and_never_reports_on_it_is_gone_but_a_silent_camera_is_not_its_fault():
    async with plane() as p:
        p.begin()
        p.picture(is_key=True)
        page = await watching(p)
        await p.settle()
        for _ in range(120):  # the camera is away: nothing is sent, nothing is reported
            page.pass_time(1)
        assert page.ends == []
        ended_s = None
        for second in range(40):
            p.picture()
            await p.settle()
            page.pass_time(1)
            if page.ends == [EndCause.SILENT]:
                ended_s = second
                break
        assert ended_s is not None
        assert 25 <= ended_s <= 30


async def test_leaving_says_goodbye_and_stops_everything_once():
    async with plane() as p:
        p.begin()
        page = await watching(p)
        track, _ = page.connection.slots["0"].shown
        await page.connection.aclose(EndCause.DELETED)
        await page.connection.aclose()
        packets = rtcp.parse_compound(page.peer.sent[-1])
        assert set(packets[-1].ssrcs) == {slot.ssrc for slot in page.connection.slots.values()}
        assert p.feed.tracks[Kind.VIDEO].waiting == []
        assert track.watched == frozenset()
        assert page.ends == [EndCause.DELETED]
        assert page.connection.ended.is_set()
        with pytest.raises(HubError) as error:
            await page.connection.answer(OFFER)
        assert error.value.code == "wrong_state"


async def test_a_path_that_breaks_ends_the_connection():
    async with plane() as p:
        page = await subscribe(p)
        page.peer.end = PeerEnd.CONSENT_LOST
        page.peer.ended.set()
        await page.connection.ended.wait()
        assert page.ends == [EndCause.CONSENT_LOST]
        await page.connection.aclose()


async def test_later_offers_add_slots_and_close_those_whose_line_is_gone():
    async with plane() as p:
        p.begin(H264, PCMA)
        page = await subscribe(p, HEAD + VIDEO)
        first = page.connection.slots["0"]
        video, _ = publish({"main": p.feed.tracks[Kind.VIDEO]})
        first.show(video)
        audio, _ = publish({"main": p.feed.tracks[Kind.AUDIO]}, TrackName.AUDIO)
        answer = await page.connection.answer(OFFER)
        assert page.connection.slots["0"] is first
        assert f"a=ssrc:{first.ssrc} " in answer
        page.connection.slots["1"].show(audio)
        assert p.feed.tracks[Kind.AUDIO].live[0].payload_type == 8
        assert page.peer.renewed == 0
        await page.connection.answer(HEAD + VIDEO.replace("m=video 9", "m=video 0") + AUDIO)
        assert list(page.connection.slots) == ["1"]
        assert video.watched == frozenset()
        await page.connection.answer(OFFER.replace("a=ice-ufrag:abcd", "a=ice-ufrag:efgh"))
        assert page.peer.renewed == 1
        await page.connection.aclose()


async def test_an_offer_that_wants_nothing_of_ours_is_refused_and_leaves_nothing():
    async with plane() as p:
        with pytest.raises(HubError) as error:
            await subscribe(p, HEAD + VIDEO.replace("recvonly", "sendonly"))
        assert error.value.code == "codec_unsupported"


async def test_candidates_are_taken_for_the_present_generation_only():
    async with plane() as p:
        page = await subscribe(p)
        line = "a=candidate:1 1 udp 5 127.0.0.1 9 typ host\r\n"
        await page.connection.add_candidates("a=ice-ufrag:abcd\r\n" + line)
        assert len(page.peer.candidates) == 1
        with pytest.raises(HubError) as error:
            await page.connection.add_candidates("a=ice-ufrag:efgh\r\n" + line)
        assert error.value.code == "ice_restart_unsupported"
        await page.connection.aclose()

"""What a viewer's feedback may cause, and when it counts as gone. The clock is simulated, the peer is a stand-in."""

from dataclasses import dataclass, field

from media.base.clock import SimulatedClock
from media.packet import Kind
from media.rtp import rtcp
from media.timing import ntp_of_us
from streams.webrtc.batch import PeerAddress
from streams.webrtc.outlet import OutletState
from streams.webrtc.viewer import RESEND_BURST, EndCause, Viewer, ViewerIdentity
from tests.unit.streams.webrtc.plane import KEY, Plane, assert_seamless, pictures_of, plane, srtp_session


@dataclass
class StandIn:
    """A peer whose RTCP needs no keys."""

    heard_mono_ns: int = 0
    tag_bytes: int = 16
    profile: str = "AEAD_AES_128_GCM"
    address: PeerAddress = field(default_factory=lambda: PeerAddress("127.0.0.1", 9))
    tx: object = None
    sent: list[bytes] = field(default_factory=list)

    def send_rtcp(self, packet: bytes) -> None:
        self.sent.append(packet)

    def open_rtcp(self, data: bytes) -> bytes:
        return data

    async def aclose(self) -> None:
        pass


def make_viewer(p: Plane) -> tuple[Viewer, SimulatedClock, StandIn]:
    receiver = p.join()
    clock = SimulatedClock()
    viewer = Viewer(
        ViewerIdentity("s", "u", KEY, 0, "none"), p.feed, p.pump, {receiver.outlet.ssrc: receiver.outlet}, clock
    )
    receiver.outlet.stop()
    address = PeerAddress(*receiver.sock.getsockname())
    peer = StandIn(clock.mono_ns(), address=address, tx=srtp_session(3))
    viewer.peer = peer
    viewer.on_secure()
    return viewer, clock, peer


def reports(peer: StandIn) -> list[rtcp.SenderReport]:
    return [
        packet for data in peer.sent for packet in rtcp.parse_compound(data) if isinstance(packet, rtcp.SenderReport)
    ]


async def test_nacks_are_answered_up_to_an_allowance():
    async with plane() as p:
        p.begin()
        p.picture(is_key=True, size=600_000)
        viewer, clock, _ = make_viewer(p)
        await p.settle()
        seqs = [packet.seq for packet in p.receivers[0].read()]
        ssrc = p.receivers[0].outlet.ssrc
        viewer.on_media(rtcp.build(rtcp.GenericNack(1, ssrc, tuple(seqs[:400]))))
        assert viewer.stats().packets_resent == RESEND_BURST
        assert viewer.stats().nacks == 400
        clock.advance(0.1)
        viewer.on_media(rtcp.build(rtcp.GenericNack(1, ssrc, tuple(seqs[:400]))))
        assert viewer.stats().packets_resent == RESEND_BURST + 50
        viewer.on_media(rtcp.build(rtcp.GenericNack(1, 4711, tuple(seqs[:3]))))
        assert viewer.stats().nacks == 800


async def test_a_lost_picture_is_given_again_once_a_second_without_a_seam():
    async with plane() as p:
        p.begin()
        p.picture(is_key=True)
        p.picture()
        viewer, clock, _ = make_viewer(p)
        await p.settle()
        clock.advance(5)
        ssrc = p.receivers[0].outlet.ssrc
        for _ in range(5):
            viewer.on_media(rtcp.build(rtcp.PictureLoss(1, ssrc)))
        await p.settle()
        clock.advance(1.1)
        viewer.on_media(rtcp.build(rtcp.FullIntraRequest(1, ((ssrc, 7),))))
        await p.settle()
        packets = p.receivers[0].read()
        assert_seamless(packets)
        assert pictures_of(packets) == p.sent_pictures * 3
        assert (viewer.stats().key_requests, viewer.stats().groups_resent) == (6, 2)


async def test_a_viewer_that_waits_for_a_key_picture_asks_in_vain_and_costs_nothing():
    async with plane() as p:
        p.begin()
        viewer, clock, _ = make_viewer(p)
        clock.advance(5)
        viewer.on_media(rtcp.build(rtcp.PictureLoss(1, p.receivers[0].outlet.ssrc)))
        assert viewer.stats().groups_resent == 0
        assert viewer.stats().state == OutletState.WAITING.value


async def test_a_flood_of_feedback_and_anything_else_is_ignored_and_counted():
    async with plane() as p:
        p.begin()
        viewer, _, _ = make_viewer(p)
        for data in (b"", b"\x80", b"\x80\x60" + bytes(20), b"\x80\xff" + bytes(20), b"\x80\xc8\xff\xff" + bytes(8)):
            viewer.on_media(data)
        assert viewer.stats().ignored == 5
        good = rtcp.build(rtcp.ReceiverReport(ssrc=1))
        for _ in range(1000):
            viewer.on_media(good)
        assert viewer.stats().ignored > 800


async def test_reports_are_sent_and_their_answers_give_the_round_trip():
    async with plane() as p:
        p.begin()
        p.picture(is_key=True)
        p.receivers.clear()
        viewer, clock, peer = make_viewer(p)
        await p.settle()
        outlet = next(iter(viewer.outlets))
        outlet.track.timeline.stamp(3600, clock.mono_ns())  # the simulated clock's idea of now
        clock.advance(2.5)
        assert viewer.tick(clock.mono_ns()) is None
        report = reports(peer)[-1]
        assert report.ssrc == outlet.ssrc
        assert report.ntp64 == ntp_of_us(clock.wall_us())
        assert (report.packets, report.octets) == outlet.stream.totals()
        clock.advance(0.08)
        block = rtcp.ReportBlock(
            ssrc=outlet.ssrc, last_sr=report.ntp64 >> 16 & 0xFFFFFFFF, delay=round(0.03 * 65536), jitter=90
        )
        viewer.on_media(rtcp.build(rtcp.ReceiverReport(ssrc=1, reports=(block,))))
        assert abs(viewer.stats().rtt_ms - 50) < 0.1
        assert viewer.stats().jitter_ms == 1.0


async def test_who_is_not_heard_for_25_seconds_is_gone():
    async with plane() as p:
        p.begin()
        viewer, clock, peer = make_viewer(p)
        for _ in range(24):
            clock.advance(1)
            assert viewer.tick(clock.mono_ns()) is None
        peer.heard_mono_ns = clock.mono_ns()
        clock.advance(24)
        assert viewer.tick(clock.mono_ns()) is None
        clock.advance(2)
        assert viewer.tick(clock.mono_ns()) is EndCause.SILENT


async def test_who_gets_media_and_never_reports_on_it_is_gone_but_a_silent_camera_is_not_its_fault():
    async with plane() as p:
        p.begin()
        p.picture(is_key=True)
        viewer, clock, peer = make_viewer(p)
        await p.settle()
        for _ in range(120):  # the camera is away: nothing is sent, nothing is reported
            clock.advance(1)
            peer.heard_mono_ns = clock.mono_ns()
            assert viewer.tick(clock.mono_ns()) is None
        ended_s = None
        for second in range(40):
            p.picture()
            await p.settle()
            clock.advance(1)
            peer.heard_mono_ns = clock.mono_ns()
            if viewer.tick(clock.mono_ns()) is EndCause.SILENT:
                ended_s = second
                break
        assert ended_s is not None
        assert 25 <= ended_s <= 30


async def test_leaving_says_goodbye():
    async with plane() as p:
        p.begin()
        viewer, _, peer = make_viewer(p)
        await viewer.aclose()
        packets = rtcp.parse_compound(peer.sent[-1])
        assert packets[-1] == rtcp.Goodbye((p.receivers[0].outlet.ssrc,))
        assert p.feed.tracks[Kind.VIDEO].live == []

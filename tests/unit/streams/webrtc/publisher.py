"""A browser that publishes, in simulated time: layers, retransmissions, extensions; and a link that loses and delays.

`Rig` is the receiving side without ICE, DTLS and SRTP: a real `Ingress` and its feedback. `Encoder` is one layer of a
sender, `Link` carries packets both ways by a seeded plan. Nothing here waits or looks at a clock.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from media.base.errors import RemoteProtocolError
from media.base.ids import SourceId
from media.packet import CodecParams
from media.rtp import rtcp, rtx
from media.rtp.nack import RoundTrip
from media.rtp.packet import RtpPacket, build_extension, parse_packet
from media.rtp.vp8_descriptor import build_descriptor
from media.timing import ntp_of_us
from streams.fanout import PEOPLE, Packet
from streams.publication import Publication, TrackName
from streams.webrtc import extensions
from streams.webrtc.answer_publish import Accepted, choose_published
from streams.webrtc.ingress import Ingress
from streams.webrtc.lipsync import SenderClock
from streams.webrtc.offer import parse_offer
from streams.webrtc.outlet import SourceTrack
from streams.webrtc.publish_feedback import FeedbackWriter, PublishFeedback
from streams.webrtc.uplink import UplinkEvents, UplinkPlane
from tests.unit.streams.webrtc.test_offer import HEAD

MS = 1_000_000
SECOND = 1_000_000_000
SOURCE = SourceId("participant/p1")
CAMERA, SCREEN, MICROPHONE = TrackName.CAMERA, TrackName.SCREEN, TrackName.MICROPHONE
ALL = frozenset({CAMERA, SCREEN, MICROPHONE})
IDS = {
    extensions.MID: 4,
    extensions.RID: 10,
    extensions.REPAIRED_RID: 11,
    extensions.TRANSPORT_CC: 3,
    extensions.AUDIO_LEVEL: 1,
    extensions.ABS_CAPTURE_TIME: 7,
    extensions.VIDEO_ORIENTATION: 13,
}
VP8, VP8_RTX, H264, H264_RTX, OPUS = 96, 97, 102, 103, 111
VP8_KEY = build_descriptor(is_start=True) + bytes([0x10, 0, 0]) + b"\x9d\x01\x2a" + bytes([0x80, 0x02, 0x68, 0x01])
"""The beginning of a key frame of 640×360."""
VP8_DELTA = build_descriptor(is_start=True) + bytes([0x11, 0, 0])
VP8_MORE = build_descriptor(is_start=False)


def video_line(mid: str, *, rids: tuple[str, ...] = (), extra: str = "", direction: str = "sendonly") -> str:
    lines = [
        f"m=video 9 UDP/TLS/RTP/SAVPF {VP8} {VP8_RTX} {H264} {H264_RTX}",
        f"a=mid:{mid}",
        f"a={direction}",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        f"a=rtpmap:{VP8} VP8/90000",
        *(f"a=rtcp-fb:{VP8} {kind}" for kind in ("goog-remb", "transport-cc", "ccm fir", "nack", "nack pli")),
        f"a=rtpmap:{VP8_RTX} rtx/90000",
        f"a=fmtp:{VP8_RTX} apt={VP8}",
        f"a=rtpmap:{H264} H264/90000",
        *(f"a=rtcp-fb:{H264} {kind}" for kind in ("goog-remb", "transport-cc", "ccm fir", "nack", "nack pli")),
        f"a=fmtp:{H264} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
        f"a=rtpmap:{H264_RTX} rtx/90000",
        f"a=fmtp:{H264_RTX} apt={H264}",
        *(f"a=extmap:{number} {uri}" for uri, number in IDS.items() if uri != extensions.AUDIO_LEVEL),
        *(f"a=rid:{rid} send" for rid in rids),
    ]
    if rids:
        lines.append(f"a=simulcast:send {';'.join(rids)}")
    return "\r\n".join(lines) + "\r\n" + extra


def audio_line(mid: str) -> str:
    return "\r\n".join(
        [
            f"m=audio 9 UDP/TLS/RTP/SAVPF {OPUS} 63 0 8",
            f"a=mid:{mid}",
            "a=sendonly",
            "a=rtcp-mux",
            f"a=rtpmap:{OPUS} opus/48000/2",
            f"a=rtcp-fb:{OPUS} transport-cc",
            f"a=fmtp:{OPUS} minptime=10;useinbandfec=1",
            f"a=rtpmap:63 red/48000/2\r\na=fmtp:63 {OPUS}/{OPUS}",
            *(f"a=extmap:{number} {uri}" for uri, number in IDS.items()),
            "",
        ]
    )


def offer_of(*lines: str, count: int | None = None) -> str:
    mids = " ".join(str(n) for n in range(len(lines) if count is None else count))
    return HEAD.replace("a=group:BUNDLE 0 1", f"a=group:BUNDLE {mids}") + "".join(lines)


def lines_of(text: str, names: dict[str, TrackName]) -> tuple[Accepted, ...]:
    return choose_published(parse_offer(text), names)


class PlainSession:
    """Stands where SRTP does; a packet that begins with a zero byte is forged."""

    def __init__(self) -> None:
        self.plain = memoryview(bytearray(2048))

    def open_rtp(self, packet: bytes) -> int:
        if packet[0] == 0:
            return -1
        self.plain[: len(packet)] = packet
        return len(packet)


@dataclass
class Seen:
    """A tap that remembers."""

    packets: list[tuple[int, Packet, bool]] = field(default_factory=list)
    on_packet_hook: Callable[[int], None] | None = None

    def on_packet(self, seq: int, packet: Packet, is_key: bool) -> None:
        self.packets.append((seq, packet, is_key))
        if self.on_packet_hook is not None:
            self.on_packet_hook(seq)

    @property
    def numbers(self) -> list[int]:
        return [seq for seq, _, _ in self.packets]


class Rig:
    """The receiving side of one publisher."""

    def __init__(self, *lines: Accepted, allowed: frozenset[TrackName] = ALL) -> None:
        self.publication = Publication(SOURCE)
        self.rx = PlainSession()
        self.gaps = 0
        self.key_wishes = 0
        self.changes = 0
        self.wanted: list[tuple[TrackName, frozenset[str]]] = []
        self.levels: list[tuple[TrackName, int, int]] = []
        self.round_trip = RoundTrip()
        self.taps: list[Seen] = []
        self.publication.listen(self._changed)
        plane = UplinkPlane(self._make_track, SenderClock(), self.round_trip)
        events = UplinkEvents(self._on_gap, self._on_key, self._on_wanted, self.publication.changed)
        self.ingress = Ingress(self.publication, plane, events, lambda *level: self.levels.append(level))
        self.feedback = PublishFeedback(self.ingress, FeedbackWriter(1, "us"))
        self.ingress.configure(lines)
        self.ingress.allow(allowed, 0)

    def _make_track(self, params: CodecParams) -> SourceTrack:
        track = SourceTrack(params, PEOPLE)
        seen = Seen()
        self.taps.append(seen)
        track.add_tap(seen)
        return track

    def _changed(self, _publication: Publication) -> None:
        self.changes += 1

    def _on_gap(self) -> None:
        self.gaps += 1

    def _on_key(self) -> None:
        self.key_wishes += 1

    def _on_wanted(self, name: TrackName, rids: frozenset[str]) -> None:
        self.wanted.append((name, rids))

    def take(self, packet: RtpPacket | bytes, now_ns: int = 0) -> bool:
        data = packet if isinstance(packet, bytes) else packet.to_bytes()
        return self.ingress.take(self.rx, data, now_ns)  # type: ignore[arg-type]

    def seen(self, name: TrackName, rid: str = "") -> Seen:
        """Return what came out of a layer."""
        track = self.publication.get(name)
        assert track is not None
        layer = track.layer(rid)
        assert layer is not None
        return next(tap for tap in self.taps if tap in layer.track._taps)


class Encoder:
    """One layer of a sender, with its retransmissions."""

    transport_sequence = 0

    def __init__(self, ssrc: int, mid: str, rid: str = "", *, payload_type: int = VP8, first: int = 1000) -> None:
        self.ssrc = ssrc
        self.mid = mid
        self.rid = rid
        self.payload_type = payload_type
        self.rtx_ssrc = ssrc + 1
        self.next_seq = first
        self.next_rtx = 7
        self.ts_offset = ssrc * 7919
        self.sent: dict[int, RtpPacket] = {}
        self.counter: list[int] = [0]
        self.resent = 0

    def _extension(self, *, is_repair: bool, level: int | None = None) -> tuple[int, bytes]:
        elements = {IDS[extensions.MID]: self.mid.encode()}
        if self.rid:
            elements[IDS[extensions.REPAIRED_RID if is_repair else extensions.RID]] = self.rid.encode()
        elements[IDS[extensions.TRANSPORT_CC]] = (self.counter[0] & 0xFFFF).to_bytes(2, "big")
        self.counter[0] += 1
        if level is not None:
            elements[IDS[extensions.AUDIO_LEVEL]] = bytes([0x80 | level])
        return build_extension(elements)

    def packet(
        self, payload: bytes, ticks: int, *, has_marker: bool = False, level: int | None = None, plain: bool = False
    ) -> RtpPacket:
        """Return the next packet, of a picture captured `ticks` after the beginning."""
        profile, block = (None, b"") if plain else self._extension(is_repair=False, level=level)
        made = RtpPacket(
            payload_type=self.payload_type,
            sequence=self.next_seq & 0xFFFF,
            timestamp=(self.ts_offset + ticks) & 0xFFFFFFFF,
            ssrc=self.ssrc,
            payload=payload,
            has_marker=has_marker,
            extension_profile=profile,
            extension=block,
        )
        self.sent[made.sequence] = made
        self.next_seq += 1
        return made

    def picture(self, ticks: int, count: int, *, is_key: bool = False) -> list[RtpPacket]:
        """Return a VP8 picture in `count` packets."""
        heads = [VP8_KEY if is_key else VP8_DELTA, *[VP8_MORE] * (count - 1)]
        return [
            self.packet(head + self.next_seq.to_bytes(4, "big") * 40, ticks, has_marker=at == count - 1)
            for at, head in enumerate(heads)
        ]

    def repeat(self, sequence: int) -> RtpPacket | None:
        """Return the retransmission of a packet."""
        original = self.sent.get(sequence)
        if original is None:
            return None
        profile, block = self._extension(is_repair=True)
        again = RtpPacket(**{name: getattr(original, name) for name in original.__slots__} | {
            "extension_profile": profile, "extension": block})  # fmt: skip
        self.next_rtx += 1
        self.resent += 1
        return rtx.wrap(again, ssrc=self.rtx_ssrc, payload_type=self.payload_type + 1, sequence=self.next_rtx & 0xFFFF)

    def report(self, wall_us: int, ticks: int) -> bytes:
        """Return a sender report: at `wall_us` the picture being captured would be stamped `ticks`."""
        return rtcp.build_compound(
            [
                rtcp.SenderReport(
                    ssrc=self.ssrc, ntp64=ntp_of_us(wall_us), rtp_timestamp=(self.ts_offset + ticks) & 0xFFFFFFFF
                )
            ]
        )


class Link:
    """Carries packets both ways in simulated time: each is lost or delayed by the seed's plan."""

    def __init__(self, seed: int, *, loss: float, delay_ms: float, jitter_ms: float) -> None:
        self._random = random.Random(seed)
        self._loss = loss
        self._delay_ms = delay_ms
        self._jitter_ms = jitter_ms
        self._events: list[tuple[int, int, Callable[[int], None]]] = []
        self._count = 0
        self.now_ns = SECOND
        self.lost = 0

    def at(self, when_ns: int, call: Callable[[int], None]) -> None:
        """Call `call(now_ns)` at a moment."""
        self._count += 1
        heapq.heappush(self._events, (when_ns, self._count, call))

    def carry(self, deliver: Callable[[int], None]) -> bool:
        """Deliver something after the link's delay, or lose it; return whether it will arrive."""
        if self._random.random() < self._loss:
            self.lost += 1
            return False
        delay_ms = self._random.uniform(self._delay_ms - self._jitter_ms, self._delay_ms + self._jitter_ms)
        self.at(self.now_ns + round(delay_ms * MS), deliver)
        return True

    def run(self, until_ns: int) -> None:
        """Let time pass."""
        while self._events and self._events[0][0] <= until_ns:
            self.now_ns, _, call = heapq.heappop(self._events)
            call(self.now_ns)
        self.now_ns = until_ns


def nacked(compound: bytes) -> list[tuple[int, tuple[int, ...]]]:
    """Return (ssrc, sequence numbers) of the NACKs in a compound."""
    return [(p.media_ssrc, p.sequences) for p in rtcp.parse_compound(compound) if isinstance(p, rtcp.GenericNack)]


def parsed(data: bytes) -> RtpPacket | None:
    try:
        return parse_packet(data)
    except RemoteProtocolError:
        return None

"""One incoming layer: from a publisher's RTP packets to its `SourceTrack`, which knows nothing of peers.

Used by `publishing`, once per packet on the event loop, so the normal path is a few comparisons. Extends numbers and
timestamps, finds key frames and sizes, remembers what is missing and what to report. Repairs are asked for and key
frames wished here; what is sent when is `publishing`'s. Refuses repeats; keeps no packet itself.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from media.base.errors import RemoteProtocolError
from media.codec import h264
from media.packet import Codec, CodecParams
from media.rtp.key_frames import KEY_SETS, MARKS, parameter_sets, vp8_size
from media.rtp.key_requests import KeyRequests
from media.rtp.nack import NackTracker, RoundTrip
from media.rtp.receive import MAX_DROPOUT, ReceptionStats
from media.rtp.reception import ReceptionReporter
from media.rtp.rtcp import ReportBlock, SenderReport
from streams.fanout import NACK_HISTORY_PACKETS, Packet
from streams.webrtc.extensions import with_element
from streams.webrtc.lipsync import LayerClock
from streams.webrtc.outlet import SourceTrack
from streams.webrtc.playout import PlayoutDelay

FLOWING_NS = 2_500_000_000
"""Without a packet for longer, a layer rests: a shared screen that stands still sends one picture a second."""

_MAX_BEHIND = NACK_HISTORY_PACKETS
"""A packet further behind the newest is no late one but another sequence."""
_RESTART_STEP = 2 * NACK_HISTORY_PACKETS
"""Ahead of the head by so much, nothing before is waited for by anybody."""
_SETS_REACH = 4
"""Parameter sets stand at most so many packets before their picture: access unit delimiter, SPS, PPS, SEI."""
_NO_SEQUENCE = -1


@dataclass(frozen=True, slots=True)
class LayerStats:
    """A layer's figures. Sizes in bytes and pixels; `lost` counts what never came, `repaired` what came when asked for."""

    rid: str
    codec: str
    width: int
    height: int
    is_flowing: bool
    bitrate_bps: int
    packets: int
    bytes: int
    repaired: int
    reordered: int
    lost: int
    missing: int
    repeated: int
    asked_again: int
    key_frames: int
    key_requests: int
    jitter_ms: float
    playout_ms: int
    """How far behind its viewers are told to play."""


@dataclass(frozen=True, slots=True)
class LayerEvents:
    """What a layer tells its publisher; both return at once."""

    on_gap: Callable[[], None]
    on_size: Callable[[int, int], None]


class IncomingLayer:
    """One encoding of one track."""

    def __init__(
        self, rid: str, track: SourceTrack, clock: LayerClock, round_trip: RoundTrip, events: LayerEvents
    ) -> None:
        """Put packets into `track`; begin before the first packet."""
        self.rid = rid
        self.track = track
        self.clock = clock
        self.keys = KeyRequests()
        self.missing = NackTracker(round_trip)
        self.ssrc = 0
        self.packets = 0
        self.bytes = 0
        self.repeated = 0
        self.key_frames = 0
        self.arrived_ns = 0
        """When its last packet came, 0 before the first."""
        self.bitrate_bps = 0
        self._events = events
        self._mark = MARKS.get(track.params.codec)
        self._head = _NO_SEQUENCE
        """Extended number of the newest packet."""
        self._expected_next = _NO_SEQUENCE
        """Where a sequence continues that may be a new one."""
        self._frame_ts = _NO_SEQUENCE
        self._key_ts = _NO_SEQUENCE
        self._has_sets = False
        self._sets: tuple[bytes, ...] = ()
        self._playout = PlayoutDelay()
        self._reporter = ReceptionReporter()
        self._first = 0
        self._received = 0
        self._restarts = 0
        self._jitter_16 = 0
        self._transit: int | None = None
        self._counted_bytes = 0
        self._counted_ns = 0

    def begin(self, ssrc: int) -> None:
        """Take another source from now on; what it sends continues nothing."""
        self.ssrc = ssrc
        self._reporter = ReceptionReporter()
        self.interrupt()

    def interrupt(self) -> None:
        """Expect packets that do not continue the last ones: viewers go on with the next key frame."""
        self._expected_next = _NO_SEQUENCE
        if self._head != _NO_SEQUENCE:
            self._head += _RESTART_STEP
            self._received = 0
        self._key_ts = _NO_SEQUENCE
        self.missing.forget()
        self.clock.restart()

    def take(
        self,
        packet: tuple[int, int, int],
        payload: bytes,
        extension: bytes,
        now_ns: int,
        *,
        is_repair: bool = False,
    ) -> bool:
        """Take one packet, (sequence, timestamp, marker) first; False when it is a repeat or a stray."""
        seq, ts32, marker = packet
        head = self._head
        number = head + ((seq - head + 0x8000) & 0xFFFF) - 0x8000
        step = number - head
        if step == 1 and self._received:
            self._head = number
        elif not self._admit(seq, number, now_ns, is_repair=is_repair):
            self.repeated += 1
            return False
        else:
            number = self._number_of(seq)
        self._received += 1
        self.packets += 1
        self.bytes += len(payload)
        self.arrived_ns = now_ns
        timestamp = self.clock.stamp(ts32, now_ns)
        if number != self._head:
            self._note_late(timestamp, now_ns)
        elif ts32 != self._frame_ts:
            self._begin_frame(ts32, timestamp, now_ns)
        if self._playout.element:
            extension = with_element(extension, self._playout.element)
        mark = self._mark(payload) if self._mark is not None else 0
        is_key = mark != 0 and self._is_key(mark, ts32, number, payload)
        self.track.put(number, Packet(payload, timestamp, marker, extension), is_key=is_key)
        return True

    def repair(self, packet: tuple[int, int, int], payload: bytes, extension: bytes, now_ns: int) -> bool:
        """Take a retransmitted packet; it does not count as received where losses are reported."""
        if not self._received or not self.take(packet, payload, extension, now_ns, is_repair=True):
            return False
        self._received -= 1
        return True

    def _number_of(self, seq: int) -> int:
        return self._head + ((seq - self._head + 0x8000) & 0xFFFF) - 0x8000

    def _admit(self, seq: int, number: int, now_ns: int, *, is_repair: bool) -> bool:
        """Judge a packet that is not simply the next."""
        head = self._head
        if not self._received:
            self._rebase(seq)
        elif head < number < head + MAX_DROPOUT:
            self.missing.skipped(head + 1, number, now_ns)
            self._head = number
            self._events.on_gap()
        elif head - _MAX_BEHIND < number <= head:
            return self.missing.arrived(number, now_ns, is_repair=is_repair)
        elif seq != self._expected_next:  # believed when two follow one another (RFC 3550 appendix A.1)
            self._expected_next = (seq + 1) & 0xFFFF
            return False
        else:
            self.interrupt()
            self._rebase(seq)
        return True

    def _rebase(self, seq: int) -> None:
        """Make `seq` the newest packet, under the next number with these 16 bits."""
        head = self._head
        self._head = seq if head == _NO_SEQUENCE else head + 1 + ((seq - head - 1) & 0xFFFF)
        self._first = self._head
        self._received = 0
        self._restarts += 1
        self._expected_next = _NO_SEQUENCE
        self._transit = None

    def _begin_frame(self, ts32: int, timestamp: int, now_ns: int) -> None:
        self._frame_ts = ts32
        transit = now_ns * self.track.clock_rate_hz // 1_000_000_000 - timestamp
        if self._transit is not None:
            self._jitter_16 += abs(transit - self._transit) - ((self._jitter_16 + 8) >> 4)
        self._transit = transit

    def _note_late(self, timestamp: int, now_ns: int) -> None:
        """Learn from a packet behind the newest how much later it came than it would have without a loss."""
        if self._transit is not None and self._mark is not None:
            transit = now_ns * self.track.clock_rate_hz // 1_000_000_000 - timestamp
            self._playout.note((transit - self._transit) * 1000 / self.track.clock_rate_hz, now_ns)

    def _is_key(self, mark: int, ts32: int, number: int, payload: bytes) -> bool:
        """Tell whether this is the one packet with which a key frame begins: that of its parameter sets, if it has any."""
        if mark == KEY_SETS:
            self._look(payload)
            self._has_sets = True
        elif self._has_sets and any(self.missing.misses(number - back) for back in range(1, _SETS_REACH + 1)):
            return False
        if ts32 == self._key_ts:
            return False
        self._key_ts = ts32
        self.key_frames += 1
        self.keys.came()
        return True

    def _look(self, payload: bytes) -> None:
        """Read the size of the pictures, and the sets a decoder needs."""
        codec = self.track.params.codec
        if codec is Codec.VP8:
            size = vp8_size(payload)
            if size is not None:
                self._take_params(replace(self.track.params, width=size[0], height=size[1]))
            return
        sets = tuple(parameter_sets(codec, payload))
        if sets != self._sets and codec is Codec.H264:
            self._sets = sets
            self._take_params(_h264_params(sets, self.track.params))

    def _take_params(self, params: CodecParams) -> None:
        before = self.track.params
        if params != before:
            self.track.params = params
        if (params.width, params.height) != (before.width, before.height):
            self._events.on_size(params.width, params.height)

    def is_flowing(self, now_ns: int) -> bool:
        """Tell whether packets come."""
        return self.arrived_ns > 0 and now_ns - self.arrived_ns < FLOWING_NS

    def stop(self) -> None:
        """Take notice that the source said goodbye."""
        self.arrived_ns = 0

    def measure(self, now_ns: int) -> None:
        """Measure the bit rate since the last call, and how far behind viewers should play."""
        self._playout.review(now_ns)
        passed_ns = now_ns - self._counted_ns
        if self._counted_ns and passed_ns > 0:
            self.bitrate_bps = (self.bytes - self._counted_bytes) * 8 * 1_000_000_000 // passed_ns
        self._counted_bytes, self._counted_ns = self.bytes, now_ns

    def on_sender_report(self, report: SenderReport, now_ns: int) -> None:
        """Take the publisher's word on its clocks."""
        self._reporter.on_sender_report(report, now_ns)
        self.clock.report(report.ntp64, report.rtp_timestamp, now_ns)

    def report_block(self, now_ns: int) -> ReportBlock:
        """Return what we tell the publisher of its packets."""
        expected = self._head - self._first + 1
        return self._reporter.report_block(
            ReceptionStats(
                ssrc=self.ssrc,
                highest_sequence=self._head - (self._first & ~0xFFFF),
                expected=expected,
                received=min(self._received, expected),
                lost=max(expected - self._received, 0),
                late=self.repeated,
                strays=0,
                malformed=0,
                resets=self._restarts,
                dropped_units=0,
                withheld_units=0,
                jitter=self._jitter_16 >> 4,
            ),
            now_ns,
        )

    @property
    def is_begun(self) -> bool:
        """Tell whether there is something to report."""
        return self._received > 0

    def stats(self, now_ns: int) -> LayerStats:
        """Return the figures now."""
        params = self.track.params
        return LayerStats(
            rid=self.rid,
            codec=params.codec.value,
            width=params.width,
            height=params.height,
            is_flowing=self.is_flowing(now_ns),
            bitrate_bps=self.bitrate_bps,
            packets=self.packets,
            bytes=self.bytes,
            repaired=self.missing.recovered,
            reordered=self.missing.reordered,
            lost=self.missing.given_up,
            missing=len(self.missing),
            repeated=self.repeated,
            asked_again=self.missing.asked,
            key_frames=self.key_frames,
            key_requests=self.keys.asked,
            jitter_ms=(self._jitter_16 >> 4) * 1000 / self.track.clock_rate_hz,
            playout_ms=self._playout.delay_ms,
        )


def _h264_params(sets: tuple[bytes, ...], before: CodecParams) -> CodecParams:
    """Return the parameters these sets make; what they do not tell stays as it was."""
    complete = h264.codec_params(sets)
    if complete.parameter_sets:
        return complete
    for nal in sets:
        try:
            sps = h264.parse_sps(nal)
        except RemoteProtocolError:
            continue
        name = f"avc1.{sps.profile_idc:02x}{sps.constraint_flags:02x}{sps.level_idc:02x}"
        return replace(before, rfc6381=name, width=sps.width, height=sps.height, parameter_sets=())
    return before

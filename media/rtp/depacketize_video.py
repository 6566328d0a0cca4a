"""Access units out of RTP packets, as far as H.264 and H.265 agree: boundaries, fragments, damage, limits.

Base of the two formats; called by ingest once per packet, on its event loop, with the packet still in the receive
buffer. Budget 3 µs per packet: bytes are copied once into the unit being built, no object is made per packet. A
picture with a missing packet is dropped and counted, the pictures after it are delivered. Holds at most 5 MB.
"""

from collections.abc import Iterable
from dataclasses import replace
from struct import Struct

from media.base.errors import RemoteProtocolError
from media.codec.nal import START_CODE, split_annexb
from media.packet import AccessUnit, CodecParams
from media.rtp.packet import MARKER, PLAIN_FLAGS, Buffer, payload_bounds
from media.rtp.receive import RtpReceiver, StreamOptions, Units, unpack_header
from media.timing import DecodeOrder

MAX_UNIT_BYTES = 5 << 20
"""A key frame of an 8K camera is about 2 MB; more is a stream that never ends a picture."""
DEFAULT_FPS = 25.0
"""Of a camera whose SPS does not say; only spaces the first decoding times of a stream with B pictures."""

_MAX_SETS = 64
_LENGTH = Struct("!I")


class VideoDepacketizer(RtpReceiver):
    """Builds pictures; the NAL unit syntax is the subclass's."""

    _FRAGMENT = Struct("")
    """How a framed fragment begins: lead, length, flags, sequence, timestamp with ssrc, payload and fragment header."""

    __slots__ = (
        "_finished_ts32",
        "_fragment_at",
        "_guesses_order",
        "_has_slice",
        "_is_damaged",
        "_is_key",
        "_is_suspect",
        "_known_sets",
        "_last_pts",
        "_order",
        "_sets",
        "_sets_changed",
        "_ts32",
        "_unit",
        "has_bad_markers",
    )

    def __init__(self, track: int, params: CodecParams, options: StreamOptions) -> None:
        """Start with the sets of `params`, which may be incomplete: then units are withheld until in-band sets."""
        super().__init__(track, params, options)
        self.has_bad_markers = False
        self._unit = bytearray()
        self._ts32 = -1
        self._finished_ts32 = -1
        self._fragment_at = -1
        self._has_slice = False
        self._is_key = False
        self._is_damaged = False
        self._is_suspect = True
        self._sets: dict[tuple[int, int], bytes] = {}
        self._known_sets: frozenset[bytes] = frozenset()
        self._sets_changed = False
        self._guesses_order = False
        self._order = DecodeOrder(0, 1)
        self._last_pts = -1
        for nal in [nal for given in reversed(params.parameter_sets) for nal in split_annexb(given)]:
            self._add_set(nal)
        self._renew_params()
        if not self._known_sets.issuperset(params.parameter_sets):
            self.params = self._params_of_sets()

    def push(self, buf: Buffer, start: int, end: int, now_mono_ns: int, now_wall_us: int) -> Units:
        """Take the RTP packet in `buf[start:end]`; return the units it completes (None, one, or a list of two).

        A memoryview as `buf` saves a copy. Nothing of `buf` is kept.
        """
        if end - start < 12:
            self.malformed += 1
            return None
        header = unpack_header(buf, start)
        first, second, seq, ts32, ssrc = header
        pos = start + 12
        if first != PLAIN_FLAGS:
            pos, end = payload_bounds(buf, start, end)
            if pos < 0:
                self.malformed += 1
                return None
        is_plain = seq == self._next_seq and ssrc == self._ssrc and second & 0x7F == self._payload_type
        if not is_plain and not self._admit(header, now_mono_ns):
            return None
        self._next_seq = (seq + 1) & 0xFFFF
        self._accepted += 1
        previous = self._turn(ts32) if ts32 != self._ts32 else None
        self._arrival_mono_ns = now_mono_ns
        self._arrival_wall_us = now_wall_us
        if pos < end:
            self._take(buf, pos, end)
        if second & MARKER and self._has_slice and not self.has_bad_markers:
            unit = self._finish()
            return [previous, unit] if previous and unit else previous or unit
        return previous

    def follow(self, buf: Buffer, pos: int, end: int, lead: int) -> int:
        """Take the middle fragments of the NAL unit being received; see `RtpReceiver.follow`. 0.4 µs each."""
        unit = self._unit
        if self._fragment_at < 0 or self._is_damaged or len(unit) + end - pos > MAX_UNIT_BYTES:
            return pos
        unpack, head_bytes = self._FRAGMENT.unpack_from, self._FRAGMENT.size
        payload_header, fragment_header = self._middle_headers(self._fragment_at + 4)
        flags, source = PLAIN_FLAGS << 8 | self._payload_type, self._ts32 << 32 | self._ssrc
        first_seq = seq = self._next_seq
        while end - pos > head_bytes:
            its_lead, size, its_flags, its_seq, its_source, its_payload_header, its_fragment_header = unpack(buf, pos)
            after = pos + 4 + size
            if (
                its_fragment_header != fragment_header
                or its_seq != seq
                or its_source != source
                or its_flags != flags
                or its_payload_header != payload_header
                or its_lead != lead
                or not pos + head_bytes < after <= end
            ):
                break
            unit += buf[pos + head_bytes : after]
            seq = (seq + 1) & 0xFFFF
            pos = after
        self._accepted += (seq - first_seq) & 0xFFFF
        self._next_seq = seq
        return pos

    def _turn(self, ts32: int) -> AccessUnit | None:
        """End the unit that had no marker: a new timestamp means a new picture (FLIR M400 sets none)."""
        unit = self._finish() if self._has_slice else None
        if self._is_damaged or self._fragment_at >= 0:
            self._clear()
        self._ts32 = ts32
        return unit

    def _on_gap(self, ts32: int) -> None:
        """Throw away the picture that may lack packets; the next may lack its head."""
        is_mid_picture = self._has_slice or self._fragment_at >= 0 or self._is_damaged
        if is_mid_picture and ts32 == self._ts32:
            self._is_damaged = True
            return
        if is_mid_picture:
            self.dropped_units += 1
        self._clear()
        self._is_suspect = True

    def _finish(self) -> AccessUnit | None:
        """Return the picture built so far, or None when it is damaged or no decoder could be opened for it."""
        if self._fragment_at >= 0:
            self._close_fragment()
        if self._sets_changed:
            self._renew_params()
        unit = None
        if self._is_damaged or not self._has_slice:
            self.dropped_units += 1
        elif not self.params.parameter_sets:
            self.withheld_units += 1
        else:
            unit = self._make_unit()
        self._finished_ts32 = self._ts32
        self._clear()
        self._is_suspect = False
        return unit

    def _make_unit(self) -> AccessUnit:
        pts = self.timeline.extend(self._ts32) + self.pts_offset
        if pts < self._last_pts and self._is_bidirectional():
            self._order.deepen(self._order.depth + 1)
        self._last_pts = pts
        self._note_jitter(pts, self._arrival_mono_ns)
        lost, self._lost_before_unit = self._lost_before_unit, 0
        return AccessUnit(
            self.track,
            self.params,
            pts,
            self._order.dts(pts),
            self._is_key,
            bytes(self._unit),
            self._arrival_mono_ns,
            self._arrival_wall_us,
            lost,
        )

    def _clear(self) -> None:
        self._unit.clear()
        self._fragment_at = -1
        self._has_slice = self._is_key = self._is_damaged = False

    def _begin_slice(self, begins_picture: bool) -> None:
        """Take notice of the first slice of a unit: is it the first of its picture?"""
        self._has_slice = True
        if begins_picture:
            return
        if self._ts32 == self._finished_ts32 and not self._is_suspect:
            self.has_bad_markers = True  # a marker on every slice; from now on the timestamp ends a picture
            self._is_damaged = True
        elif self._is_suspect:
            self._is_damaged = True

    def _append(self, nal: bytes) -> None:
        self._unit += _LENGTH.pack(len(nal))
        self._unit += nal
        if len(self._unit) > MAX_UNIT_BYTES:
            self._overflow()

    def _overflow(self) -> None:
        self.malformed += 1
        self._unit.clear()
        self._fragment_at = -1
        self._has_slice = True
        self._is_damaged = True

    def _open_fragment(self, header: bytes) -> None:
        """Begin a NAL unit that comes in pieces; its length is filled in when it ends."""
        if self._fragment_at >= 0:
            self._close_fragment()  # a camera that sets no end bit
        self._fragment_at = len(self._unit)
        self._unit += b"\x00\x00\x00\x00"
        self._unit += header

    def _close_fragment(self) -> None:
        """End a NAL unit that came in pieces. One that is no slice goes the way of whole NAL units."""
        at, self._fragment_at = self._fragment_at, -1
        unit = self._unit
        if self._is_slice_byte(unit[at + 4]):
            _LENGTH.pack_into(unit, at, len(unit) - at - 4)
            return
        nal = bytes(unit[at + 4 :])
        del unit[at:]
        self._take_nal(nal)

    def _take_nal(self, nal: bytes) -> None:
        """Take one NAL unit, or a whole access unit with start codes in its place (V380 and its kin)."""
        if self._fragment_at >= 0:
            self._close_fragment()
        if START_CODE in nal:
            for part in split_annexb(nal):
                self._add(part)
        else:
            self._add(nal)

    def _take_aggregate(self, payload: bytes) -> None:
        """Take NAL units that share a packet, each after two bytes of length."""
        pos, end = 0, len(payload)
        while pos + 2 < end:
            start = pos + 2
            pos = start + (payload[pos] << 8 | payload[pos + 1])
            if pos > end:
                self.malformed += 1
                return
            if pos > start:
                self._take_nal(payload[start:pos])

    def _add_set(self, nal: bytes) -> None:
        """Remember a parameter set that is new or changed; the newest goes first, it is the one in use."""
        if nal in self._known_sets:
            return
        try:
            key = self._set_key(nal)
        except RemoteProtocolError:
            self.malformed += 1
            return
        if len(self._sets) >= _MAX_SETS and key not in self._sets:
            self.malformed += 1
            return
        self._sets = {key: nal} | {other: kept for other, kept in self._sets.items() if other != key}
        self._known_sets = frozenset(self._sets.values())
        self._sets_changed = True

    def _renew_params(self) -> None:
        """Make `params` of the sets now known, when they are enough and differ from those in use."""
        self._sets_changed = False
        renewed = self._params_of_sets()
        if not renewed.parameter_sets:
            return
        if renewed.parameter_sets != self.params.parameter_sets:
            self.params = renewed
        depth, fps = self._reordering()
        self._guesses_order = depth is None
        if self._last_pts < 0:
            self._order = DecodeOrder(depth or 0, round(self.params.clock_rate_hz / (fps or DEFAULT_FPS)))
        else:
            self._order.deepen(depth or 0)

    def _params_of_sets(self) -> CodecParams:
        return replace(self._codec_params(self._sets.values()), clock_rate_hz=self.timeline.clock_rate_hz)

    def _take(self, buf: Buffer, pos: int, end: int) -> None:
        """Take the RTP payload in `buf[pos:end]`, at least one byte."""
        raise NotImplementedError

    def _middle_headers(self, at: int) -> tuple[int, int]:
        """Return the payload and fragment header that go on with the NAL unit whose own header is at `_unit[at]`."""
        raise NotImplementedError

    def _add(self, nal: bytes) -> None:
        """Take one NAL unit, at least one byte."""
        raise NotImplementedError

    def _is_slice_byte(self, first_byte: int) -> bool:
        """Tell whether a NAL unit with this first byte carries picture data."""
        raise NotImplementedError

    def _set_key(self, nal: bytes) -> tuple[int, int]:
        """Return type and id of a parameter set; RemoteProtocolError when it is broken."""
        raise NotImplementedError

    def _codec_params(self, sets: Iterable[bytes]) -> CodecParams:
        """Return the parameters that the sets make, incomplete when one is missing."""
        raise NotImplementedError

    def _reordering(self) -> tuple[int | None, float]:
        """Return how many pictures the sets in use reorder (None: they do not say) and the frame rate or 0."""
        raise NotImplementedError

    def _is_bidirectional(self) -> bool:
        """Tell whether the unit being made is shown before one that came earlier although no set announced that."""
        return False

"""VP8 frames out of RTP packets (RFC 7741).

Called by the recorder of meetings once per packet, on its event loop, in order (see `media.rtp.reorder`). A unit's
`data` is the frame as it is. A frame with a missing packet is dropped and counted, the frames after it are delivered;
before the first key frame nothing is. Holds at most 5 MB. Ignores layers: they come as one.
"""

from media.base.errors import RemoteProtocolError
from media.codec import vp8
from media.packet import AccessUnit, CodecParams
from media.rtp.depacketize_video import MAX_UNIT_BYTES
from media.rtp.packet import MARKER, Buffer, payload_bounds
from media.rtp.receive import RtpReceiver, StreamOptions, Units, unpack_header
from media.rtp.vp8_descriptor import begins_frame, descriptor_end


class Vp8Depacketizer(RtpReceiver):
    """Makes access units of VP8 packets."""

    __slots__ = ("_has_begun", "_has_key", "_is_damaged", "_ts32", "_unit")

    def __init__(self, track: int, params: CodecParams, options: StreamOptions) -> None:
        """Begin without a frame; the sizes in `params` are those of the last key frame."""
        super().__init__(track, params, options)
        self._unit = bytearray()
        self._ts32 = -1
        self._has_begun = False
        self._is_damaged = False
        self._has_key = False

    def push(self, buf: Buffer, start: int, end: int, now_mono_ns: int, now_wall_us: int) -> Units:
        """Take the RTP packet in `buf[start:end]`; return the units it completes (None, one, or a list of two)."""
        pos, payload_end = payload_bounds(buf, start, end)
        if pos < 0:
            self.malformed += 1
            return None
        header = unpack_header(buf, start)
        _, second, seq, ts32, ssrc = header
        is_plain = seq == self._next_seq and ssrc == self._ssrc and second & 0x7F == self._payload_type
        if not is_plain and not self._admit(header, now_mono_ns):
            return None
        self._count(seq)
        previous = self._turn(ts32) if ts32 != self._ts32 else None
        self._arrival_mono_ns = now_mono_ns
        self._arrival_wall_us = now_wall_us
        if pos < payload_end:
            self._take(buf, pos, payload_end)
        if second & MARKER and (self._has_begun or self._is_damaged):
            unit = self._finish()
            return [previous, unit] if previous and unit else previous or unit
        return previous

    def _turn(self, ts32: int) -> AccessUnit | None:
        """End the frame that had no marker."""
        unit = self._finish() if self._has_begun or self._is_damaged else None
        self._ts32 = ts32
        return unit

    def _on_gap(self, ts32: int) -> None:
        """Spoil the frame in the making; the next is whole when it begins with its first packet."""
        if ts32 == self._ts32 or self._has_begun:
            self._is_damaged = True

    def _take(self, buf: Buffer, pos: int, end: int) -> None:
        at = descriptor_end(buf, pos, end)
        if at < 0:
            self.malformed += 1
            self._is_damaged = True
            return
        if not self._has_begun:
            if not begins_frame(buf[pos]):
                self._is_damaged = True
            self._has_begun = True
        if self._is_damaged:
            return
        self._unit += buf[at:end]
        if len(self._unit) > MAX_UNIT_BYTES:
            self.malformed += 1
            self._is_damaged = True

    def _finish(self) -> AccessUnit | None:
        frame, is_damaged = bytes(self._unit), self._is_damaged
        self._unit.clear()
        self._has_begun = self._is_damaged = False
        if is_damaged or not frame:
            self.dropped_units += 1
            return None
        is_key = vp8.is_key(frame[0])
        if is_key and not self._open(frame):
            self.malformed += 1
            self.dropped_units += 1
            return None
        if not self._has_key:
            self.withheld_units += 1
            return None
        pts = self.timeline.extend(self._ts32) + self.pts_offset
        self._note_jitter(pts, self._arrival_mono_ns)
        lost, self._lost_before_unit = self._lost_before_unit, 0
        return AccessUnit(
            self.track, self.params, pts, pts, is_key, frame, self._arrival_mono_ns, self._arrival_wall_us, lost
        )

    def _open(self, frame: bytes) -> bool:
        """Take the size of a key frame; False when its header is broken."""
        try:
            header = vp8.parse_frame_header(frame)
        except RemoteProtocolError:
            return False
        self._has_key = True
        if (header.width, header.height) != (self.params.width, self.params.height):
            self.params = vp8.vp8_params(header.width, header.height)
        return True

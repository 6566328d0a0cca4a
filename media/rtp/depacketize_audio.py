"""Audio frames out of RTP packets: G.711 and Opus (RFC 3551, 7587), AAC (RFC 3640).

Called by ingest once per packet on its event loop, 10 to 50 times a second per camera. Pure and total: what cannot be
read is counted in `malformed` and dropped. Refuses interleaving and LATM (RFC 6416).
"""

from collections.abc import Sequence

from media.base.errors import RemoteProtocolError
from media.codec.aac import AuHeaderLayout, parse_audio_specific_config, strip_adts
from media.packet import AccessUnit, CodecParams
from media.rtp.packet import Buffer, payload_bounds
from media.rtp.receive import RtpReceiver, StreamOptions, Units, unpack_header

MAX_FRAME_BYTES = 1 << 16
"""AAC frames end at 6144 bits a channel; RFC 3640 sizes at 16 bits."""
_MAX_FRAMES_PER_PACKET = 256


class AudioDepacketizer(RtpReceiver):
    """Makes one access unit of each packet: G.711 and Opus."""

    def push(self, buf: Buffer, start: int, end: int, now_mono_ns: int, now_wall_us: int) -> Units:
        """Take the RTP packet in `buf[start:end]`; return the unit or units it completes."""
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
        self._arrival_mono_ns = now_mono_ns
        self._arrival_wall_us = now_wall_us
        if pos == payload_end:
            return None
        frames = self._frames(bytes(buf[pos:payload_end]), ts32)
        if not frames:
            return None
        return self._units(frames, ts32)

    def _frames(self, payload: bytes, ts32: int) -> Sequence[bytes]:
        return (payload,)

    def _on_gap(self, ts32: int) -> None:
        """Nothing is held over from packet to packet."""

    def _frame_ticks(self) -> int:
        return 0

    def _units(self, frames: Sequence[bytes], ts32: int) -> Units:
        pts = self.timeline.extend(ts32) + self.pts_offset
        self._note_jitter(pts, self._arrival_mono_ns)
        if len(frames) == 1:
            return self._make_unit(frames[0], pts)
        ticks = self._frame_ticks()
        return [self._make_unit(frame, pts + i * ticks) for i, frame in enumerate(frames)]

    def _make_unit(self, frame: bytes, pts: int) -> AccessUnit:
        lost, self._lost_before_unit = self._lost_before_unit, 0
        return AccessUnit(
            self.track, self.params, pts, pts, True, frame, self._arrival_mono_ns, self._arrival_wall_us, lost
        )


class AacDepacketizer(AudioDepacketizer):
    """Makes access units of RFC 3640 packets: several frames in a packet, or a frame in several packets."""

    def __init__(self, track: int, params: CodecParams, options: StreamOptions, layout: AuHeaderLayout) -> None:
        """Read AU headers by `layout`; the config in `params` tells the samples per frame."""
        super().__init__(track, params, options)
        self._layout = layout
        self._part = bytearray()
        self._part_size = 0
        self._part_ts32 = self._damaged_ts32 = -1
        self._ticks = _ticks_per_frame(params)

    def _frame_ticks(self) -> int:
        return self._ticks

    def _on_gap(self, ts32: int) -> None:
        if self._part:
            self.dropped_units += 1
            self._damaged_ts32 = self._part_ts32
        self._part.clear()

    def _frames(self, payload: bytes, ts32: int) -> Sequence[bytes]:
        adts = strip_adts(payload)
        if adts is not None:  # no AU headers at all (go2rtc issue 1328)
            return adts
        sizes, pos = self._read_headers(payload)
        left = len(payload) - pos
        if len(sizes) == 1 and (sizes[0] > left or self._part):
            return self._join_part(payload[pos:], sizes[0], ts32)
        self._part.clear()
        if not sizes or sum(sizes) > left:
            self.malformed += 1
            return ()
        frames = []
        for size in sizes:
            frames.append(payload[pos : pos + size])
            pos += size
        return [raw for frame in frames if frame for raw in strip_adts(frame) or (frame,)]

    def _join_part(self, part: bytes, size: int, ts32: int) -> Sequence[bytes]:
        """Collect a frame in pieces; each piece carries the whole frame's size (RFC 3640 §3.2.3.1)."""
        if self._part and (size != self._part_size or ts32 != self._part_ts32):
            self.dropped_units += 1
            self._part.clear()
        if not self._part and len(part) >= size:
            return (part[:size],)
        if ts32 == self._damaged_ts32:  # what is left of a frame that lacks a part
            return ()
        self._part += part
        self._part_size, self._part_ts32 = size, ts32
        if len(self._part) < size:
            return ()
        frame = bytes(self._part[:size])
        self._part.clear()
        return (frame,)

    def _read_headers(self, payload: bytes) -> tuple[list[int], int]:
        """Return the sizes of the frames and where the first begins; no sizes when malformed."""
        layout = self._layout
        total_bits = payload[0] << 8 | payload[1] if len(payload) > 1 else 0
        begin = 2 + (total_bits + 7) // 8
        first_bits = layout.size_length + layout.index_length
        other_bits = layout.size_length + layout.index_delta_length
        if total_bits < first_bits or begin > len(payload):
            return [], 0
        count = 1 + (total_bits - first_bits) // other_bits
        if count > _MAX_FRAMES_PER_PACKET:
            return [], 0
        headers = int.from_bytes(payload[2:begin], "big") >> (-total_bits % 8)
        size_mask = (1 << layout.size_length) - 1
        ends = [layout.size_length] + [first_bits + layout.size_length + i * other_bits for i in range(count - 1)]
        return [headers >> (total_bits - end) & size_mask for end in ends], begin


def _ticks_per_frame(params: CodecParams) -> int:
    try:
        config = parse_audio_specific_config(params.config)
    except RemoteProtocolError:
        return 1024
    return config.samples_per_frame * params.clock_rate_hz // config.sample_rate_hz

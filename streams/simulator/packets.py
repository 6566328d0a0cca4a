"""RTP packets of a rendition, cut once for all cameras that show it.

Called by `streams.simulator.camera` on the simulator's loop; pure. A `Burst` is all packets of one picture, laid out
as they go into an RTSP connection, with sequence number, timestamp and source left open; `stamped` fills them in for
one camera. That is all a camera costs: a copy and a few bytes per packet.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from media.codec.nal import to_length_prefixed
from media.packet import AccessUnit, Codec, CodecParams
from media.rtp.packetize import AudioPacketizer, VideoPacketizer
from streams.simulator.rendition import Rendition

VIDEO_PAYLOAD_TYPE = 96
PAYLOAD_TYPES = {Codec.AAC: 97, Codec.PCMU: 0, Codec.PCMA: 8}
FRAME_BYTES = 4
"""`$`, channel and size before each packet."""
_MAX_PAYLOAD_BYTES = 1400
_GOPS_APART = 4
"""How far the scenes of neighbouring cameras are apart: no two of the first fifteen alike with 15 GOPs of 2 s."""
_HEADER = struct.Struct(">BBHBBHII")
_OPEN_FIELDS = struct.Struct(">HII")
_OPEN_AT = FRAME_BYTES + 2


@dataclass(frozen=True, slots=True)
class Burst:
    """Interleaved frames for channel 0; `starts` are the indices of their `$`."""

    data: bytes
    starts: tuple[int, ...]

    def __add__(self, other: "Burst") -> "Burst":
        shift = len(self.data)
        return Burst(self.data + other.data, self.starts + tuple(shift + start for start in other.starts))


_NOTHING = Burst(b"", ())


def burst(payloads: Iterable[bytes], payload_type: int, *, has_marker: bool) -> Burst:
    """Return `payloads` as a burst; the marker goes on the last one."""
    parts: list[bytes] = []
    starts: list[int] = []
    size = 0
    listed = list(payloads)
    for index, payload in enumerate(listed):
        marker = 0x80 if has_marker and index == len(listed) - 1 else 0
        head = _HEADER.pack(0x24, 0, len(payload) + 12, 0x80, marker | payload_type, 0, 0, 0)
        parts += (head, payload)
        starts.append(size)
        size += len(head) + len(payload)
    return Burst(b"".join(parts), tuple(starts))


def stamped(template: Burst, first_seq: int, timestamp: int, ssrc: int) -> bytearray:
    """Return a burst's bytes with the open fields filled in."""
    data = bytearray(template.data)
    fill = _OPEN_FIELDS.pack_into
    for number, start in enumerate(template.starts, start=first_seq):
        fill(data, start + _OPEN_AT, number & 0xFFFF, timestamp, ssrc)
    return data


class PicturePackets:
    """The pictures of one rendition as bursts. Frame numbers count from 1970; times, GOPs and scene repeat."""

    def __init__(self, rendition: Rendition) -> None:
        """Keep the rendition; bursts are made when asked for, the latest of each scene shift kept."""
        self.rendition = rendition
        self.params = rendition.params
        self._packetizer = VideoPacketizer(rendition.spec.codec, _MAX_PAYLOAD_BYTES)
        self._gops = len(rendition.body) // rendition.spec.gop_frames
        self._latest: dict[int, tuple[int, Burst]] = {}
        self._sets = self._burst(rendition.parameter_sets, is_last=False)

    def is_key(self, frame: int) -> bool:
        """Tell whether a GOP begins with `frame`."""
        return frame % self.rendition.spec.gop_frames == 0

    def picture(self, camera: int, frame: int) -> Burst:
        """Return the packets of a picture."""
        ahead = (camera - 1) * _GOPS_APART % self._gops
        latest, shared = self._latest.get(ahead, (-1, _NOTHING))
        if latest != frame:
            shared = self._shared(frame, ahead)
            self._latest[ahead] = (frame, shared)
        if not self.is_key(frame):
            return shared
        return self._sets + self._burst([self.rendition.keys[camera - 1]], is_last=False) + shared

    def _shared(self, frame: int, ahead: int) -> Burst:
        """Return the part of a picture that cameras share; all of it when it is no key picture.

        The scene is shifted by `ahead` GOPs, so that neighbours on a wall do not move in step.
        """
        clip, gop = self.rendition, self.rendition.spec.gop_frames
        index = frame % gop
        nals = [clip.times[frame % len(clip.times)], clip.body[(frame + ahead * gop) % len(clip.body)]]
        return self._burst(nals if index == 0 else [clip.skips[index], *nals], is_last=True)

    def _burst(self, nals: Iterable[bytes], *, is_last: bool) -> Burst:
        payloads = self._packetizer.payloads(_unit(self.params, to_length_prefixed(nals)))
        return burst(payloads, VIDEO_PAYLOAD_TYPE, has_marker=is_last)


def sound_bursts(params: CodecParams, frames: Iterable[bytes]) -> list[Burst]:
    """Return one burst per audio frame; AAC carries the marker (RFC 3640 §3.1), G.711 does not."""
    packetizer = AudioPacketizer(params.codec, _MAX_PAYLOAD_BYTES)
    has_marker = params.codec is Codec.AAC
    payload_type = PAYLOAD_TYPES[params.codec]
    return [burst(packetizer.payloads(_unit(params, f)), payload_type, has_marker=has_marker) for f in frames]


def _unit(params: CodecParams, data: bytes) -> AccessUnit:
    return AccessUnit(0, params, 0, 0, is_key=False, data=data, received_mono_ns=0, received_wall_us=0)

"""Decodes one key picture into a JPEG, and the child process that does it.

`jpeg_of_key` is synchronous and called inside the child only (`python -m media.ffmpeg.decode`), because what a camera
sends may crash or hang libav; `media.ffmpeg.decoder` is the side that asks. The child lives on its standard input and
output, answers one request at a time and ends with its parent.
"""

import json
import struct
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, BinaryIO

import av
import av.error
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from media.base.errors import ErrorKind, HubError
from media.codec.nal import split_length_prefixed, to_annexb
from media.ffmpeg.child import serve_parent
from media.packet import Codec

MAX_PIXELS = 8192 * 4608
"""An 8K picture; a parameter set that says more is a lie or an attack."""
MAX_MESSAGE_BYTES = 16 << 20
_LENGTHS = struct.Struct(">II")


@dataclass(frozen=True, slots=True)
class Jpeg:
    """One encoded still picture."""

    data: bytes
    width: int
    height: int


def jpeg_of_key(codec: Codec, annexb: bytes, max_width: int = 0) -> Jpeg:
    """Decode the key picture in `annexb` (with its parameter sets) and encode it, at most `max_width` wide (0: as is).

    HubError DATA_LOSS `not_decodable` when libav finds no picture, INVALID `unsupported` for other codecs.
    """
    if codec not in (Codec.H264, Codec.H265):
        raise HubError(ErrorKind.INVALID, "no decoder for this codec", code="unsupported", codec=codec.value)
    context = VideoCodecContext.create("h264" if codec is Codec.H264 else "hevc", "r")
    context.thread_count = 1
    context.options = {"max_pixels": str(MAX_PIXELS)}
    try:
        frames = [*context.decode(av.Packet(annexb)), *context.decode(None)]
        if not frames:
            raise HubError(ErrorKind.DATA_LOSS, "no picture in the key frame", code="not_decodable")
        return _encode(frames[0], max_width)
    except av.error.FFmpegError as error:
        raise HubError(ErrorKind.DATA_LOSS, "the key frame does not decode", code="not_decodable") from error


def _encode(frame: VideoFrame, max_width: int) -> Jpeg:
    """Scale down (even sizes, aspect kept) and encode as JPEG in full-range 4:2:0."""
    width, height = frame.width, frame.height
    if 0 < max_width < width:
        width, height = max_width & ~1 or 2, max(2, round(frame.height * max_width / frame.width) & ~1)
    picture = frame.reformat(width=width, height=height, format="yuvj420p")
    encoder = VideoCodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.options = {"qmin": "3", "qmax": "5"}
    encoder.framerate = Fraction(25)
    picture.pts = 0
    data = b"".join(bytes(packet) for packet in [*encoder.encode(picture), *encoder.encode(None)])
    return Jpeg(data, width, height)


def annexb_of_key(parameter_sets: tuple[bytes, ...], data: bytes) -> bytes:
    """Return a key unit (length-prefixed, as the hub carries it) as an Annex B stream with its parameter sets."""
    return to_annexb([*parameter_sets, *split_length_prefixed(data)])


def write_message(out: BinaryIO, head: dict[str, Any], body: bytes = b"") -> None:
    """Write one message of the child's protocol: two lengths, a JSON head, a body."""
    out.write(message(head, body))
    out.flush()


def message(head: dict[str, Any], body: bytes = b"") -> bytes:
    """Return one message of the child's protocol."""
    text = json.dumps(head).encode()
    return _LENGTHS.pack(len(text), len(body)) + text + body


def lengths(prefix: bytes) -> tuple[int, int]:
    """Return the lengths of head and body from a message's first 8 bytes; HubError when absurd."""
    head_bytes, body_bytes = _LENGTHS.unpack(prefix)
    if head_bytes + body_bytes > MAX_MESSAGE_BYTES:
        raise HubError(ErrorKind.EXHAUSTED, "message to or from the decoder is too large", code="too_large")
    return head_bytes, body_bytes


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until the input ends."""
    while len(prefix := requests.read(_LENGTHS.size)) == _LENGTHS.size:
        head_bytes, body_bytes = lengths(prefix)
        head = json.loads(requests.read(head_bytes))
        body = requests.read(body_bytes)
        try:
            picture = jpeg_of_key(Codec(head["codec"]), body, int(head["max_width"]))
        except HubError as error:
            write_message(answers, {"kind": error.kind.value, "code": error.code, "message": error.message})
            continue
        size = {key: value for key, value in asdict(picture).items() if key != "data"}
        write_message(answers, size, picture.data)


def main() -> None:
    """Run the child, at lowest priority."""
    serve_parent(serve, niceness=10)


if __name__ == "__main__":
    main()

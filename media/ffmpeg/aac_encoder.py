"""The child process that turns G.711 of many cameras into AAC-LC.

Run as `python -m media.ffmpeg.aac_encoder`; `media.ffmpeg.transcode` is the side that asks. Reads messages from
standard input, writes messages to standard output, ends with its parent. One encoder per stream; timestamps are
samples on the stream's own timeline. A hole of up to a second becomes silence, a larger one a new encoder.
"""

from typing import BinaryIO

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame

from media.ffmpeg.aac_protocol import FRAME, FRAME_SAMPLES, HEAD, MAX_PAYLOAD, PCMA, PCMU
from media.ffmpeg.child import serve_parent

BITS_PER_SAMPLE = 3
"""24 kbit/s at 8 kHz: AAC at this rate is as clear as the G.711 it is made of."""


def _ulaw(code: int) -> int:
    """ITU-T G.711 table 2a, as 16-bit."""
    code = ~code & 0xFF
    magnitude = ((code & 0x0F) << 3 | 0x84) << (code >> 4 & 7)
    return 0x84 - magnitude if code & 0x80 else magnitude - 0x84


def _alaw(code: int) -> int:
    """ITU-T G.711 table 1a, as 16-bit."""
    code ^= 0x55
    exponent, mantissa = code >> 4 & 7, code & 0x0F
    magnitude = mantissa << 4 | 8 if not exponent else (mantissa << 4 | 0x108) << exponent - 1
    return magnitude if code & 0x80 else -magnitude


_TABLES = {
    PCMU: np.array([_ulaw(code) for code in range(256)], np.float32) / np.float32(32768),
    PCMA: np.array([_alaw(code) for code in range(256)], np.float32) / np.float32(32768),
}


def linear(kind: int, payload: bytes) -> npt.NDArray[np.float32]:
    """Return G.711 bytes as samples between -1 and 1."""
    samples: npt.NDArray[np.float32] = _TABLES[kind][np.frombuffer(payload, np.uint8)]
    return samples


class Stream:
    """One camera's sound."""

    def __init__(self, rate_hz: int) -> None:
        """Prepare an encoder for `rate_hz`."""
        self._rate_hz = rate_hz
        self._rest: npt.NDArray[np.float32] = np.zeros(0, np.float32)
        self._is_new = True
        self._restart(0)

    def _restart(self, first: int) -> None:
        self._encoder = AudioCodecContext.create("aac", "w")
        self._encoder.sample_rate = self._rate_hz
        self._encoder.format = "fltp"
        self._encoder.layout = "mono"
        self._encoder.bit_rate = self._rate_hz * BITS_PER_SAMPLE
        self._rest = np.zeros(0, np.float32)
        self._base = first
        self._taken = 0

    @property
    def _expected(self) -> int:
        return self._base + self._taken + len(self._rest)

    def push(self, samples: npt.NDArray[np.float32], first: int) -> list[tuple[int, bytes]]:
        """Take samples that begin at timestamp `first`; return complete frames with their timestamps."""
        hole = first - self._expected
        jitter = self._rate_hz // 50
        if self._is_new or hole > self._rate_hz or hole < -jitter:
            self._restart(first)
            self._is_new = False
        elif hole > jitter:
            samples = np.concatenate((np.zeros(hole, np.float32), samples))
        self._rest = np.concatenate((self._rest, samples))
        found: list[tuple[int, bytes]] = []
        while len(self._rest) >= FRAME_SAMPLES:
            found += self._encode(self._rest[:FRAME_SAMPLES])
            self._rest = self._rest[FRAME_SAMPLES:]
        return found

    def _encode(self, samples: npt.NDArray[np.float32]) -> list[tuple[int, bytes]]:
        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="fltp", layout="mono")
        frame.sample_rate = self._rate_hz
        frame.pts = self._taken
        self._taken += FRAME_SAMPLES
        packets = self._encoder.encode(frame)
        return [(self._base + (p.pts or 0), bytes(p)) for p in packets if (p.pts or 0) >= 0]  # before 0: priming


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Encode until the input ends. A stream that fails is begun anew with its next message."""
    streams: dict[int, Stream] = {}
    while len(head := requests.read(HEAD.size)) == HEAD.size:
        number, kind, rate_hz, first, size = HEAD.unpack(head)
        payload = requests.read(min(size, MAX_PAYLOAD))
        if kind not in _TABLES:
            streams.pop(number, None)  # the stream was closed
            continue
        try:
            stream = streams.get(number) or streams.setdefault(number, Stream(rate_hz))
            frames = stream.push(linear(kind, payload), first)
        except (av.error.FFmpegError, ValueError):
            streams.pop(number, None)
            continue
        for timestamp, data in frames:
            answers.write(HEAD.pack(number, FRAME, rate_hz, timestamp, len(data)) + data)
        if frames:
            answers.flush()


def main() -> None:
    """Run the child, at low priority."""
    serve_parent(serve, niceness=5)


if __name__ == "__main__":
    main()

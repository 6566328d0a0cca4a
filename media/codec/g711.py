"""G.711: the telephone codec of most cameras, one byte a sample, 8 kHz unless a camera says otherwise.

Called by SDP, the depacketizer and the recorder's transcoder. Pure. Does not convert samples: ffmpeg does.
"""

from media.packet import Codec, CodecParams

SAMPLE_RATE_HZ = 8000


def g711_params(codec: Codec, sample_rate_hz: int = SAMPLE_RATE_HZ, channels: int = 1) -> CodecParams:
    """Return the parameters of a PCMU or PCMA track; ValueError for another codec."""
    if codec not in (Codec.PCMU, Codec.PCMA):
        msg = f"{codec} is not G.711"
        raise ValueError(msg)
    return CodecParams(
        codec=codec,
        clock_rate_hz=sample_rate_hz,
        rfc6381="ulaw" if codec is Codec.PCMU else "alaw",
        sample_rate_hz=sample_rate_hz,
        channels=channels,
    )


def duration_ticks(data: bytes, channels: int = 1) -> int:
    """Return how long a frame lasts in ticks: one byte is one sample of one channel."""
    return len(data) // max(1, channels)


def silence(codec: Codec, samples: int) -> bytes:
    """Return `samples` samples of silence."""
    return (b"\xff" if codec is Codec.PCMU else b"\xd5") * samples

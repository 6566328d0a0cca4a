"""Opus: what the first bytes of a packet say (RFC 6716 §3.1), parameters, and the `dOps` header (RFC 7845).

Called by SDP, the depacketizer and the container writer. Pure and total. The clock is always 48 kHz (RFC 7587).
"""

from media.packet import Codec, CodecParams

CLOCK_RATE_HZ = 48_000
MAX_PACKET_TICKS = 5760
"""120 ms, the longest packet (RFC 6716 §3.2.5)."""
DEFAULT_PRE_SKIP = 312
"""Samples at 48 kHz a decoder needs to settle; libopus' encoder delay."""

_SILK_TICKS = (480, 960, 1920, 2880)
_CELT_TICKS = (120, 240, 480, 960)


def opus_params(channels: int = 2) -> CodecParams:
    """Return the parameters of a track; SDP always says 2 channels, packets tell by themselves."""
    return CodecParams(
        codec=Codec.OPUS, clock_rate_hz=CLOCK_RATE_HZ, rfc6381="opus", sample_rate_hz=CLOCK_RATE_HZ, channels=channels
    )


def duration_ticks(data: bytes) -> int:
    """Return how long a packet lasts in ticks of 48 kHz; 0 when it is malformed."""
    if not data:
        return 0
    config = data[0] >> 3
    if config < 12:
        ticks = _SILK_TICKS[config & 3]
    elif config < 16:
        ticks = 480 << (config & 1)
    else:
        ticks = _CELT_TICKS[config & 3]
    total = ticks * _frame_count(data)
    return total if total <= MAX_PACKET_TICKS else 0


def _frame_count(data: bytes) -> int:
    code = data[0] & 3
    if code < 3:
        return 1 if code == 0 else 2
    return data[1] & 0x3F if len(data) > 1 else 0


def dops(channels: int = 2, pre_skip: int = DEFAULT_PRE_SKIP, input_rate_hz: int = CLOCK_RATE_HZ) -> bytes:
    """Return the body of the `dOps` box (Opus in ISO BMFF §4.3.2), mono or stereo."""
    return b"".join(
        [
            b"\x00",
            channels.to_bytes(1, "big"),
            pre_skip.to_bytes(2, "big"),
            input_rate_hz.to_bytes(4, "big"),
            b"\x00\x00",  # output gain
            b"\x00",  # channel mapping family: mono or stereo
        ]
    )

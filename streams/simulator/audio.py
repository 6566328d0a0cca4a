"""What a simulated camera hears: a quiet hum, and a beep at every full second of the wall clock.

Called by `streams.simulator.server` at start (AAC is encoded once, in an executor thread; G.711 is computed). A
`Sound` repeats after a whole number of seconds and frames and is anchored at 1970, so frame m of the world is
`frames[m % len(frames)]` whatever the start.
"""

import array
import math
from dataclasses import dataclass
from functools import cache

from media.codec.aac import aac_params, build_audio_specific_config, strip_adts
from media.codec.g711 import g711_params
from media.ffmpeg.clips import encode_aac
from media.packet import Codec, CodecParams

_AAC_RATE_HZ = 16_000
_AAC_FRAME = 1024
_AAC_LOOP_S = 8
"""8 s of 16 kHz are exactly 125 frames."""
_G711_RATE_HZ = 8_000
_G711_FRAME = 320
"""40 ms, as most cameras send."""
_BEEP_S, _BEEP_HZ, _HUM_HZ = 0.1, 1000, 200


@dataclass(frozen=True, slots=True)
class Sound:
    """Frames that repeat; each lasts `frame_ticks` of the clock `params.clock_rate_hz`."""

    params: CodecParams
    frames: tuple[bytes, ...]
    frame_ticks: int


def _samples(rate_hz: int, seconds: int) -> list[int]:
    """Return the tone as 16-bit samples."""
    one = []
    for index in range(rate_hz):
        at = index / rate_hz
        level = 9000 * math.sin(2 * math.pi * _BEEP_HZ * at) if at < _BEEP_S else 0.0
        one.append(round(level + 300 * math.sin(2 * math.pi * _HUM_HZ * at)))
    return one * seconds


@cache
def sound(codec: Codec) -> Sound:
    """Return the sound in `codec`: AAC, PCMA or PCMU."""
    if codec is Codec.AAC:
        return _aac()
    encode = _alaw if codec is Codec.PCMA else _ulaw
    data = bytes(map(encode, _samples(_G711_RATE_HZ, 1)))
    frames = tuple(data[at : at + _G711_FRAME] for at in range(0, len(data), _G711_FRAME))
    return Sound(g711_params(codec), frames, _G711_FRAME)


def _aac() -> Sound:
    """Encode three loops and take the middle one, one frame late: that is the encoder's delay."""
    count = _AAC_LOOP_S * _AAC_RATE_HZ // _AAC_FRAME
    adts = encode_aac(array.array("h", _samples(_AAC_RATE_HZ, 3 * _AAC_LOOP_S)).tobytes(), sample_rate_hz=_AAC_RATE_HZ)
    frames = strip_adts(adts) or []
    config = build_audio_specific_config(_AAC_RATE_HZ, 1)
    return Sound(aac_params(config), tuple(frames[count + 1 : 2 * count + 1]), _AAC_FRAME)


def _ulaw(sample: int) -> int:
    """Return one sample in G.711 µ-law."""
    sign, magnitude = (0x80, -sample) if sample < 0 else (0, sample)
    biased = min(magnitude, 32_635) + 0x84
    exponent = biased.bit_length() - 8
    return ~(sign | exponent << 4 | biased >> (exponent + 3) & 0x0F) & 0xFF


def _alaw(sample: int) -> int:
    """Return one sample in G.711 A-law."""
    sign, magnitude = (0x80, sample) if sample >= 0 else (0, -sample - 1)
    magnitude = min(magnitude, 32_767)
    exponent = max(0, magnitude.bit_length() - 8)
    mantissa = magnitude >> (exponent + 3 if exponent else 4) & 0x0F
    return (sign | exponent << 4 | mantissa) ^ 0x55

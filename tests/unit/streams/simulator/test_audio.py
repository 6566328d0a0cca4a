"""The sound of a simulated camera; that it beeps at the full second is heard in the integration tests."""

import numpy as np
import pytest

from media.codec.aac import AudioConfig, parse_audio_specific_config
from media.packet import Codec
from streams.simulator.audio import sound


def test_g711_decodes_to_the_tone():
    """Expand A-law and µ-law by the tables of G.711 and compare them with each other."""
    decoded = {}
    for codec in (Codec.PCMA, Codec.PCMU):
        made = sound(codec)
        assert (len(made.frames), made.frame_ticks, made.params.clock_rate_hz) == (25, 320, 8000)
        decoded[codec] = np.array([expand(codec, byte) for byte in b"".join(made.frames)])
    for samples in decoded.values():
        assert np.abs(samples[:800]).max() > 8000
        assert np.abs(samples[900:]).max() < 600
    difference = np.abs(decoded[Codec.PCMA] - decoded[Codec.PCMU])
    assert (difference <= np.maximum(40, np.abs(decoded[Codec.PCMA]) * 0.07)).all()


def expand(codec: Codec, byte: int) -> int:
    """Return the 16-bit sample of a G.711 byte (ITU-T G.711 tables 1a, 2a)."""
    if codec is Codec.PCMU:
        value = ~byte & 0xFF
        magnitude = ((((value & 0x0F) << 3) + 0x84) << (value >> 4 & 7)) - 0x84
        return -magnitude if value & 0x80 else magnitude
    value = byte ^ 0x55
    exponent, mantissa = value >> 4 & 7, (value & 0x0F) << 4 | 8
    magnitude = mantissa if exponent == 0 else (mantissa + 0x100) << (exponent - 1)
    return magnitude if value & 0x80 else -magnitude


def test_aac_loops_in_whole_seconds_and_frames():
    made = sound(Codec.AAC)
    assert isinstance(parse_audio_specific_config(made.params.config), AudioConfig)
    assert (len(made.frames) * made.frame_ticks) % made.params.clock_rate_hz == 0
    assert len(made.frames) == 125
    assert len(set(made.frames)) > 16  # not one frame again and again


@pytest.mark.parametrize("codec", [Codec.AAC, Codec.PCMA, Codec.PCMU])
def test_sound_is_made_once(codec):
    assert sound(codec) is sound(codec)

"""Opus packets and parameters."""

import pytest

from media.codec import opus


@pytest.mark.parametrize(
    ("packet", "ticks"),
    [
        (b"\xfc\x01", 960),  # CELT 20 ms, one frame
        (b"\xfd\x01", 1920),
        (b"\xe0\x01", 120),  # CELT 2.5 ms
        (b"\x08\x01", 960),  # SILK 20 ms
        (b"\x18\x01", 2880),  # SILK 60 ms
        (b"\x78\x01", 960),  # hybrid 20 ms
        (b"\x60\x01", 480),  # hybrid 10 ms
        (b"\xff\x03", 2880),  # three frames of 20 ms
        (b"\xff", 0),
        (b"\x1b\x3f", 0),  # 63 frames of 60 ms
        (b"", 0),
    ],
)
def test_the_first_bytes_tell_the_duration(packet, ticks):
    assert opus.duration_ticks(packet) == ticks


def test_parameters_and_header():
    params = opus.opus_params()
    assert (params.clock_rate_hz, params.channels, params.rfc6381) == (48000, 2, "opus")
    assert opus.dops().hex() == "000201380000bb80000000"

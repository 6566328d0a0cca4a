import io
import math

import numpy as np
import pytest

from media.ffmpeg.aac_encoder import Stream, linear, serve
from media.ffmpeg.aac_protocol import CLOSE, FRAME, HEAD, PCMA, PCMU


@pytest.mark.parametrize(
    ("kind", "code", "value"),
    [
        (PCMU, 0xFF, 0),
        (PCMU, 0x80, 32124),
        (PCMU, 0x00, -32124),
        (PCMU, 0xCE, 988),
        (PCMA, 0xD5, 8),
        (PCMA, 0x55, -8),
        (PCMA, 0xAA, 32256),
        (PCMA, 0x2A, -32256),
    ],
)
def test_g711_codes_have_the_values_of_the_tables(kind, code, value):
    assert linear(kind, bytes([code]))[0] == pytest.approx(value / 32768)


def tone(samples: int) -> np.ndarray:
    return np.array([math.sin(2 * math.pi * 440 * n / 8000) / 2 for n in range(samples)], np.float32)


def test_frames_carry_the_timestamps_of_their_samples():
    stream = Stream(8000)
    frames = stream.push(tone(8192), 0)
    assert [timestamp for timestamp, _ in frames] == [n * 1024 for n in range(len(frames))]
    assert len(frames) >= 6


def test_a_small_hole_becomes_silence_and_a_large_one_a_new_beginning():
    stream = Stream(8000)
    stream.push(tone(4096), 1000)
    after_hole = stream.push(tone(4096), 1000 + 4096 + 2000)
    assert all((timestamp - 1000) % 1024 == 0 for timestamp, _ in after_hole)
    far = stream.push(tone(4096), 1_000_000)
    assert [timestamp for timestamp, _ in far] == [1_000_000 + n * 1024 for n in range(len(far))]


def test_the_child_survives_nonsense_and_ends_with_its_input():
    requests = io.BytesIO(
        HEAD.pack(1, 77, 8000, 0, 4)
        + b"abcd"
        + HEAD.pack(2, PCMU, 1, 0, 1024)  # a sample rate AAC does not know
        + b"\xff" * 1024
        + HEAD.pack(3, PCMA, 8000, 0, 4096)
        + b"\xd5" * 4096
        + HEAD.pack(3, CLOSE, 0, 0, 0)
        + b"torn"
    )
    answers = io.BytesIO()
    serve(requests, answers)
    number, kind, rate_hz, first, size = HEAD.unpack_from(answers.getvalue())
    assert (number, kind, rate_hz, first) == (3, FRAME, 8000, 0)
    assert size > 0

"""The part of the VUI that H.264 and H.265 share."""

import pytest

from media.base.errors import RemoteProtocolError
from media.codec.nal import BitReader, BitWriter
from media.codec.vui import plausible_fps, skip_picture_facts


def facts(*fields: tuple[int, int]) -> BitReader:
    """Return a reader over (value, bits) fields, followed by the byte 0xA5."""
    writer = BitWriter()
    for value, bits in (*fields, (0xA5, 8)):
        writer.bits(value, bits)
    return BitReader(writer.to_bytes())


@pytest.mark.parametrize(
    "fields",
    [
        [(0, 1), (0, 1), (0, 1), (0, 1)],  # nothing is told
        [(1, 1), (1, 8), (0, 1), (0, 1), (0, 1)],  # square samples
        [(1, 1), (255, 8), (4, 16), (3, 16), (0, 1), (0, 1), (0, 1)],  # extended ratio: two more numbers
        [(0, 1), (1, 1), (1, 1), (0, 1), (0, 1)],  # overscan
        [(0, 1), (0, 1), (1, 1), (5, 3), (0, 1), (0, 1), (0, 1)],  # video format without colours
        [(0, 1), (0, 1), (1, 1), (5, 3), (0, 1), (1, 1), (1, 8), (1, 8), (1, 8), (0, 1)],  # with colours
        [(0, 1), (0, 1), (0, 1), (1, 1), (1, 1), (1, 1)],  # chroma location: two Exp-Golomb zeros
    ],
)
def test_what_follows_is_found(fields: list[tuple[int, int]]) -> None:
    reader = facts(*fields)
    skip_picture_facts(reader)
    assert reader.bits(8) == 0xA5


def test_a_cut_one_is_an_error() -> None:
    with pytest.raises(RemoteProtocolError):
        skip_picture_facts(BitReader(b"\xff\xf0"))


@pytest.mark.parametrize(
    ("scale", "units", "fps"),
    [(50, 2, 25.0), (60_000, 2002, 60_000 / 2002), (0, 2, 0.0), (50, 0, 0.0), (90_000, 1, 0.0)],
)
def test_a_rate_no_camera_has_is_none(scale: int, units: int, fps: float) -> None:
    assert plausible_fps(scale, units) == fps

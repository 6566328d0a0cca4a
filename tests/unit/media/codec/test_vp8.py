"""What the first bytes of a VP8 frame say."""

import pytest

from media.base.errors import RemoteProtocolError
from media.codec.vp8 import is_key, parse_frame_header, vp8_params
from media.packet import Codec

KEY = bytes.fromhex("50 2b 00 9d 01 2a 80 02 68 01")
"""A shown key frame of 640×360, first partition of 346 bytes."""


def test_a_key_frame_tells_its_size():
    header = parse_frame_header(KEY + b"\0" * 20)
    assert (header.is_key, header.is_shown, header.version) == (True, True, 0)
    assert (header.width, header.height, header.first_partition_bytes) == (640, 360, 346)


def test_the_wish_to_be_scaled_is_no_part_of_the_size():
    header = parse_frame_header(KEY[:6] + bytes([0x80, 0x42, 0x68, 0x81]))
    assert (header.width, header.height) == (640, 360)


def test_other_frames_have_no_size():
    header = parse_frame_header(b"\x31\x00\x00")
    assert (header.is_key, header.is_shown, header.width) == (False, True, 0)
    assert is_key(0x50)
    assert not is_key(0x31)


@pytest.mark.parametrize("data", [b"", b"\x50\x2b", KEY[:9], KEY[:3] + b"\x9d\x01\x2b" + KEY[6:], KEY[:6] + bytes(4)])
def test_what_is_cut_short_or_wrong_is_refused(data):
    with pytest.raises(RemoteProtocolError):
        parse_frame_header(data)


def test_parameters_are_complete_without_sets():
    params = vp8_params(640, 360)
    assert params.is_complete
    assert (params.codec, params.clock_rate_hz, params.width, params.height) == (Codec.VP8, 90_000, 640, 360)

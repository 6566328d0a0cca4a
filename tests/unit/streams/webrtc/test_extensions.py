"""Blocks that foreign software reads, and what of a viewer's offer is taken."""

from aiortc.rtp import unpack_header_extensions

from streams.webrtc import extensions


def test_a_block_is_read_by_a_foreign_parser():
    block = extensions.build_block([(1, b"\x85"), (13, b"\x02"), (9, b"12345678")])
    assert len(block) % 4 == 0
    assert int.from_bytes(block[2:4], "big") * 4 == len(block) - 4
    assert unpack_header_extensions(0xBEDE, block[4:]) == [(1, b"\x85"), (13, b"\x02"), (9, b"12345678")]


def test_what_does_not_fit_is_left_out_and_nothing_is_no_block():
    assert extensions.build_block([]) == b""
    assert extensions.build_block([(0, b"x"), (15, b"x"), (2, b""), (3, bytes(17))]) == b""
    assert extensions.build_block([(0, b"x"), (3, bytes(16))])[4] == 3 << 4 | 15


def test_only_kept_extensions_under_our_own_numbers_are_taken():
    offered = {
        1: extensions.AUDIO_LEVEL,
        4: extensions.MID,
        5: extensions.VIDEO_ORIENTATION,
        6: extensions.PLAYOUT_DELAY,
        9: extensions.ABS_CAPTURE_TIME,
        12: "urn:something-else",
    }
    assert extensions.accepted(offered) == {1: extensions.AUDIO_LEVEL, 9: extensions.ABS_CAPTURE_TIME}


def test_numbers_are_unique_and_fit_the_one_byte_form():
    numbers = list(extensions.CANONICAL.values())
    assert len(set(numbers)) == len(numbers)
    assert all(1 <= number <= 14 for number in numbers)
    assert frozenset({1, 5, 9, 13}) == extensions.KEPT_IDS

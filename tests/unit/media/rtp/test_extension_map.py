"""Header extensions of a session, renumbered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.rtp.extension_map import ExtensionMap
from media.rtp.packet import build_extension, parse_extension


def block_of(elements: dict[int, bytes], *, is_long: bool = False) -> bytes:
    if is_long:
        body = b"".join([bytes([key, len(value)]) + value for key, value in elements.items()])
        profile, body = 0x1000, body + bytes(-len(body) % 4)
    else:
        profile, body = build_extension(elements)
    return profile.to_bytes(2, "big") + (len(body) // 4).to_bytes(2, "big") + body


def elements_of(block: bytes) -> dict[int, bytes]:
    assert len(block) % 4 == 0
    assert int.from_bytes(block[2:4], "big") * 4 == len(block) - 4
    return parse_extension(int.from_bytes(block[:2], "big"), block[4:])


@pytest.mark.parametrize("is_long", [False, True])
def test_what_travels_on_gets_its_new_id_and_the_rest_stays_behind(is_long):
    reader = ExtensionMap({12: 1, 7: 9}, transport=4, level=12)
    block = block_of({4: b"\x01\x02", 9: b"0", 12: b"\x9e", 10: b"q", 7: b"12345678"}, is_long=is_long)
    around = b"??" + block + b"!!"
    kept = reader.read(around, 2, 2 + len(block))
    assert elements_of(kept) == {1: b"\x9e", 9: b"12345678"}
    assert (reader.transport_sequence, reader.level) == (0x0102, 0x1E)


def test_each_packet_stands_for_itself():
    reader = ExtensionMap({1: 1}, transport=3, level=1)
    reader.read(block_of({1: b"\x05", 3: b"\0\1"}), 0, 12)
    assert reader.read(block_of({9: b"x"}), 0, 8) == b""
    assert (reader.transport_sequence, reader.level) == (-1, -1)


def test_a_break_ends_the_block_and_padding_does_not():
    reader = ExtensionMap({1: 1, 2: 2}, transport=3)
    assert elements_of(reader.read(b"\xbe\xde\0\2" + b"\0\x10\x07\0\x20\x08\0\0", 0, 12)) == {1: b"\x07", 2: b"\x08"}
    assert elements_of(reader.read(b"\xbe\xde\0\1" + b"\x10\x07\x25\x08", 0, 8)) == {1: b"\x07"}
    assert elements_of(reader.read(b"\xbe\xde\0\1" + b"\x10\x07\xf0\x20", 0, 8)) == {1: b"\x07"}
    assert reader.read(b"\x12\x34\0\1" + b"\x10\x07\0\0", 0, 8) == b""


def test_odd_sizes_are_not_taken_for_numbers():
    reader = ExtensionMap({1: 1}, transport=3, level=1)
    reader.read(block_of({3: b"\x01\x02\x03", 1: b""}, is_long=True), 0, 12)
    assert (reader.transport_sequence, reader.level) == (-1, -1)


@given(st.binary(min_size=4, max_size=64), st.sampled_from([b"\xbe\xde", b"\x10\x00", b"\x10\x07"]))
def test_any_bytes_give_a_whole_block_or_none(data, profile):
    reader = ExtensionMap({number: number % 15 for number in range(1, 256)}, transport=3, level=1)
    kept = reader.read(profile + data, 0, len(data) + 2)
    assert all(1 <= number <= 14 for number in elements_of(kept)) if kept else True
    assert -1 <= reader.transport_sequence <= 0xFFFF
    assert -1 <= reader.level <= 127

import pytest

from media.base.errors import RemoteProtocolError
from media.container.boxes import box, children, find, full_box, large_header, read_header, unpack


def test_boxes_nest_and_are_found():
    inner = full_box(b"tkhd", 1, 3, b"payload")
    data = box(b"moov", box(b"free"), box(b"trak", inner))
    found = find(data, 0, len(data), b"moov", b"trak", b"tkhd")
    assert found is not None
    assert data[found.body : found.end] == b"\x01\x00\x00\x03payload"
    assert find(data, 0, len(data), b"moov", b"mdia") is None


def test_a_large_box_has_a_64_bit_size():
    data = large_header(b"mdat", 5) + b"12345"
    found = read_header(data, 0, len(data))
    assert found is not None
    assert (found.body, found.end) == (16, 21)


def test_a_box_of_size_zero_reaches_to_the_end():
    found = read_header(b"\0\0\0\0mdat12345", 0, 13)
    assert found is not None
    assert found.end == 13


@pytest.mark.parametrize("cut", range(1, 19))
def test_a_torn_box_is_none_to_a_scanner_and_an_error_within_a_parent(cut):
    data = box(b"mdat", b"0123456789ab")[:-cut]
    assert read_header(data, 0, len(data)) is None
    with pytest.raises(RemoteProtocolError):
        list(children(b"\0\0\0\x08free" + data, 0, 8 + len(data)))


def test_a_box_smaller_than_its_header_is_refused():
    with pytest.raises(RemoteProtocolError):
        read_header(b"\0\0\0\x07free", 0, 8)


def test_fields_beyond_the_box_are_refused():
    with pytest.raises(RemoteProtocolError):
        unpack(">I", b"\0" * 16, 10, 12)

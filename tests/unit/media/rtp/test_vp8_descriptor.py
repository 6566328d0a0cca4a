"""The descriptor in front of VP8 payloads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.base.errors import RemoteProtocolError
from media.rtp.vp8_descriptor import begins_frame, build_descriptor, descriptor_end, parse_descriptor


@given(
    st.booleans(), st.none() | st.integers(0, 0x7FFF), st.none() | st.integers(0, 255), st.integers(0, 3), st.binary()
)
def test_what_is_written_is_read(is_start, picture_id, tl0, layer, rest):
    head = build_descriptor(is_start=is_start, picture_id=picture_id, tl0=tl0, layer=layer)
    found = parse_descriptor(head + rest)
    assert found.size_bytes == len(head) == descriptor_end(head + rest, 0, len(head + rest))
    assert found.begins_frame is is_start is begins_frame(head[0])
    assert (found.picture_id, found.tl0_picture_index) == (picture_id, tl0)
    assert found.temporal_layer == (None if tl0 is None else layer)


def test_short_picture_ids_sync_and_key_index_are_read():
    found = parse_descriptor(bytes([0x80 | 0x20 | 0x10, 0x80 | 0x30, 0x05, 0x40 | 0x20 | 0x1F]))
    assert (found.picture_id, found.is_picture_id_long) == (5, False)
    assert not found.is_reference
    assert (found.temporal_layer, found.is_layer_sync, found.key_index) == (1, True, 31)
    keyed = parse_descriptor(bytes([0x80, 0x10, 0xFF]))
    assert (keyed.temporal_layer, keyed.is_layer_sync, keyed.key_index) == (None, False, 31)


def test_a_later_partition_begins_no_frame():
    found = parse_descriptor(b"\x11")
    assert (found.is_partition_start, found.partition, found.begins_frame) == (True, 1, False)
    assert not begins_frame(0x11)


@pytest.mark.parametrize("payload", [b"", b"\x80", b"\x80\x80", b"\x80\x80\x80", b"\x80\xf0\x80\x01\x02", b"\x80\x40"])
def test_what_is_cut_short_is_refused(payload):
    assert descriptor_end(payload, 0, len(payload)) == -1
    with pytest.raises(RemoteProtocolError):
        parse_descriptor(payload)

"""NAL unit framing and bits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.base.errors import RemoteProtocolError
from media.codec import nal


def test_annexb_is_split_at_three_and_four_byte_start_codes():
    data = b"\0\0\0\1\x67\xaa\0\0\1\x68\xbb\0\0\0\1\x65\xcc"
    assert nal.split_annexb(data) == [b"\x67\xaa", b"\x68\xbb", b"\x65\xcc"]


def test_bytes_before_the_first_start_code_are_a_nal_unit():
    assert nal.split_annexb(b"\x67\x11\0\0\1\x68\x22") == [b"\x67\x11", b"\x68\x22"]


def test_empty_annexb_gives_nothing():
    assert nal.split_annexb(b"") == []
    assert nal.split_annexb(b"\0\0\0\1\0\0\1") == []


@given(st.lists(st.binary(min_size=1, max_size=40)))
def test_length_prefixes_round_trip(nals):
    assert nal.split_length_prefixed(nal.to_length_prefixed(nals)) == nals


@pytest.mark.parametrize("data", [b"\0", b"\0\0\0", b"\0\0\0\2\xaa", b"\0\0\0\1\xaa\xff\xff\xff\xff"])
def test_a_length_past_the_end_is_refused(data):
    with pytest.raises(RemoteProtocolError):
        nal.split_length_prefixed(data)


def test_two_byte_lengths_are_read():
    assert nal.split_length_prefixed(b"\0\1\xaa\0\0\0\2\xbb\xcc", 2) == [b"\xaa", b"\xbb\xcc"]


@given(st.lists(st.sampled_from([0, 0, 0, 1, 2, 3, 4, 255]), max_size=60).map(bytes))
def test_emulation_prevention_round_trips_and_leaves_no_start_code(rbsp):
    protected = nal.add_emulation_prevention(rbsp)
    assert nal.remove_emulation_prevention(protected) in (rbsp, rbsp + b"\x03")
    assert b"\0\0\0" not in protected
    assert b"\0\0\1" not in protected
    assert b"\0\0\2" not in protected


@given(st.lists(st.sampled_from([0, 0, 1, 3, 255]), max_size=60).map(lambda body: bytes(body) + b"\x80"))
def test_a_payload_with_its_stop_bit_round_trips_exactly(rbsp):
    assert nal.remove_emulation_prevention(nal.add_emulation_prevention(rbsp)) == rbsp


def test_annexb_and_split_are_inverse():
    nals = [b"\x67\x01", b"\x65" + bytes(range(1, 50))]
    assert nal.split_annexb(nal.to_annexb(nals)) == nals


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("ue"), st.integers(0, 2**32 - 1)),
            st.tuples(st.just("se"), st.integers(-(2**31) + 1, 2**31 - 1)),
            st.tuples(st.just("bits"), st.integers(0, 2**17 - 1)),
            st.tuples(st.just("flag"), st.booleans()),
        )
    )
)
def test_bits_written_are_the_bits_read(values):
    writer = nal.BitWriter()
    for kind, value in values:
        if kind == "bits":
            writer.bits(value, 17)
        else:
            getattr(writer, kind)(value)
    reader = nal.BitReader(writer.to_bytes())
    for kind, value in values:
        assert (reader.bits(17) if kind == "bits" else getattr(reader, kind)()) == value
    assert reader.position_bits == writer.position_bits
    assert 0 <= reader.left_bits < 8


def test_reading_past_the_end_is_refused_and_changes_nothing():
    reader = nal.BitReader(b"\xff")
    reader.skip(5)
    for read in (lambda: reader.bits(4), lambda: reader.skip(4)):
        with pytest.raises(RemoteProtocolError):
            read()
    assert reader.position_bits == 5


def test_an_endless_exp_golomb_number_is_refused():
    with pytest.raises(RemoteProtocolError):
        nal.BitReader(bytes(16)).ue()


def test_a_number_that_does_not_fit_is_not_written():
    with pytest.raises(ValueError, match="does not fit"):
        nal.BitWriter().bits(4, 2)


def test_trailing_bits_end_on_a_byte():
    writer = nal.BitWriter()
    writer.bits(1, 3)
    writer.rbsp_trailing()
    assert writer.to_bytes() == b"\x30"

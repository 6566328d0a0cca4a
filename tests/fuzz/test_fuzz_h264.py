"""H.264 parameter sets and NAL framing: any bytes, mutated real sets."""

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import media_targets as targets
from tests.fuzz.mutate import mutated
from tests.unit.media import captures

SETS = st.sampled_from([nal for capture in captures.H264 for nal in capture.nals])


@given(st.binary(max_size=200), st.sampled_from([b"", b"\x67", b"\x67\x64\x00\x28", b"\x68", b"\x41"]))
def test_any_bytes(data, header):
    targets.h264_sets(header + data)
    targets.nal_framing(header + data)


@given(mutated(SETS))
def test_mutated_sets(data):
    targets.h264_sets(data)
    targets.nal_framing(data)


@given(st.lists(mutated(SETS), max_size=4))
def test_mutated_sets_with_start_codes(nals):
    targets.nal_framing(b"\0\0\1".join(nals))

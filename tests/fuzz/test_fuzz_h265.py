"""H.265 parameter sets: any bytes, mutated real sets."""

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import media_targets as targets
from tests.fuzz.mutate import mutated
from tests.unit.media import captures

SETS = st.sampled_from([nal for capture in (*captures.H265, captures.H265_PLAIN) for nal in capture.nals])
HEADERS = st.sampled_from([b"", b"\x40\x01", b"\x42\x01", b"\x42\x01\x01\x01\x60\x00\x00\x03\x00\x90", b"\x44\x01"])


@given(st.binary(max_size=300), HEADERS)
def test_any_bytes(data, header):
    targets.h265_sets(header + data)


@given(mutated(SETS))
def test_mutated_sets(data):
    targets.h265_sets(data)

"""AAC configurations, ADTS, Opus: any bytes, mutated frames."""

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import media_targets as targets
from tests.fuzz.mutate import mutated
from tests.unit.media.codec.test_aac import adts

CONFIGS = st.sampled_from([b"\x11\x90", b"\x15\x88", b"\x2b\x92\x08\x00", b"\xf8\xe8\x50\x00"])
FRAMES = st.lists(st.binary(min_size=1, max_size=90), min_size=1, max_size=3)


@given(st.binary(max_size=100))
def test_any_bytes(data):
    targets.audio_config(data)


@given(mutated(CONFIGS))
def test_mutated_configurations(data):
    targets.audio_config(data)


@given(mutated(FRAMES.map(lambda frames: b"".join(map(adts, frames)))))
def test_mutated_adts(data):
    targets.audio_config(data)

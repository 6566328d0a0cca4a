"""Hypothesis strategies for fragments."""

from hypothesis import strategies as st

from media.container.samples import Keys, TrackRun


@st.composite
def runs(draw, track_id: int = 1, max_size: int = 3000):
    """One track's samples; even and uneven durations, with and without composition offsets, far up the timeline."""
    n = draw(st.integers(1, 40))
    sizes = draw(st.lists(st.integers(0, max_size), min_size=n, max_size=n))
    even = draw(st.booleans())
    duration = st.integers(1, 1 << 31)
    durations = [draw(duration)] * n if even else draw(st.lists(duration, min_size=n, max_size=n))
    offsets = draw(st.one_of(st.just([]), st.lists(st.integers(-90_000, 90_000), min_size=n, max_size=n)))
    base = draw(st.integers(0, 1 << 60))
    return TrackRun(track_id, base, draw(st.sampled_from(Keys)), sizes, durations, offsets if any(offsets) else ())


fragments = st.tuples(runs(1)) | st.tuples(runs(1), runs(2))

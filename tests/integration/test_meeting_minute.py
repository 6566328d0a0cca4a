"""A minute of the meeting that `make soak` lets last ten: everybody's picture goes on, and nothing is left behind."""

from pathlib import Path

import pytest

from tests.integration.fixtures_gathering import PAGES, footprint, gathering
from tests.integration.test_whep_chromium import CHROMIUM

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="Chromium is not installed"),
]

MINUTE_S = 45.0
"""A minute with what comes before and after."""


def test_four_pages_and_a_camera(tmp_path: Path) -> None:
    with gathering(tmp_path / "data") as together:
        start = together.pictures()
        together.last(MINUTE_S)
        end = together.pictures()
        during = footprint(together.pid)
        assert during.threads == together.before.threads  # nothing is decoded: no thread was made for it
        for before, after in zip(start, end, strict=True):
            assert len(before) == PAGES
            for mid, picture in before.items():
                assert after[mid]["frames"] > picture["frames"] + MINUTE_S  # on two busy cores a page decodes few
        together.leave()
        left = footprint(together.pid)
        assert left.descriptors <= together.before.descriptors + 2

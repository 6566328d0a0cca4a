"""Four Chromium pages and a camera meet for ten minutes (SOAK_MEETING_S): smooth, and nothing left behind. `make soak`."""

import os
from pathlib import Path

import pytest

from tests.integration.fixtures_gathering import PAGES, footprint, gathering

MEETING_S = float(os.environ.get("SOAK_MEETING_S", "600"))
SETTLED_S = min(120.0, MEETING_S / 3)
GAP_S = 0.1
FREEZE_RATIO = 0.01
SLOPE_BYTES_PER_MIN = 512 * 1024


@pytest.mark.timeout(MEETING_S + 300)
def test_ten_minutes_together(tmp_path: Path) -> None:
    with gathering(tmp_path / "data") as together:
        together.lag_s()
        start = together.pictures()
        together.last(MEETING_S)
        end = together.pictures()
        during = footprint(together.pid)
        frozen = [
            (after[mid]["frozen_s"] - before[mid]["frozen_s"]) / MEETING_S
            for before, after in zip(start, end, strict=True)
            for mid in before
        ]
        slope = together.rss_slope_bytes_per_min(SETTLED_S)
        print(f"\nlongest wait of the loop {max(together.lags_s) * 1000:.0f} ms")
        print(f"freeze ratio: mean {sum(frozen) / len(frozen):.4f}, worst {max(frozen):.4f}")
        print(f"RSS slope {slope / 1024:.0f} KiB/min over {(MEETING_S - SETTLED_S) / 60:.1f} min")
        print(f"threads before {together.before.threads}, during {during.threads}")
        assert len(frozen) == PAGES * PAGES
        assert during.threads == together.before.threads  # nothing is decoded: no thread was made for it
        assert max(together.lags_s) <= GAP_S
        assert sum(frozen) / len(frozen) <= FREEZE_RATIO
        assert slope <= SLOPE_BYTES_PER_MIN
        together.leave()
        left = footprint(together.pid)
        print(f"descriptors before {together.before.descriptors}, after {left.descriptors}")
        assert left.descriptors <= together.before.descriptors + 2

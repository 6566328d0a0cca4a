"""`kill -9` of a worker while it records a meeting: at most a second is lost, and the next one goes on."""

import subprocess
import sys
from pathlib import Path

import pytest

from recorder.check import check, repair
from recorder.meetings import Part, footage_of
from recorder.replay.catalog import Catalog
from recorder.replay.summaries import Piece, summaries
from tests.integration.recording_child import FED_S
from tests.unit.recorder import footage
from tests.unit.recorder.world import segment_paths
from tests.unit.streams.recording.talker import LI, ROOM

pytestmark = pytest.mark.foreign

NAME = footage_of(ROOM, LI, Part.CAMERA)
MINUTE = 60_000_000


def record_and_kill(root: Path, epoch: int) -> None:
    command = [sys.executable, "-m", "tests.integration.recording_child", str(root), str(epoch)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = iter(process.stdout.readline, "")
            assert any(line == "fed\n" for line in lines), "the child ended by itself"
        finally:
            process.kill()


def test_a_killed_worker_loses_at_most_a_second_of_a_meeting(tmp_path: Path) -> None:
    for epoch in (1, 2):
        record_and_kill(tmp_path, epoch)
    assert repair([tmp_path]).is_clean
    assert check([tmp_path], deep=True).is_clean
    catalog = Catalog([tmp_path])
    began = footage.WALL_US + MINUTE
    (told,) = summaries(catalog, [Piece(NAME, began, began + 3 * MINUTE)], began + 3 * MINUTE)
    catalog.close()
    spans = [((start - began) / 1e6, (end - began) / 1e6) for start, end in told["spans"]]
    assert len(spans) == 2
    for number, (start, end) in enumerate(spans):
        assert abs(start - 60 * number) < 0.1
        assert FED_S - 1.1 <= end - start <= FED_S
    assert [gap[2] for gap in told["gaps"] if gap[1] - gap[0] > 100_000] == ["crash", "crash"]
    for path in segment_paths(tmp_path):
        assert footage.decoded_frames(path) >= (FED_S - 1.1) * 25

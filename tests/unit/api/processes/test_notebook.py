"""What a worker writes down, and that a damaged page never stops it."""

import stat
from pathlib import Path

import pytest

from api.processes.notebook import Notebook, Notes
from api.state import CameraDesired


@pytest.fixture
def camera() -> CameraDesired:
    return CameraDesired(id="gate", source_url_enc="v1.sealed", org_id="county")


def test_what_is_written_is_read_in_the_next_life(tmp_path: Path, camera: CameraDesired) -> None:
    Notebook(tmp_path, 0).write(7, [camera])
    assert Notebook(tmp_path, 0).read() == Notes(7, (camera,))
    assert Notebook(tmp_path, 1).read() == Notes()


def test_the_page_is_for_its_owner_only_and_replaced_whole(tmp_path: Path, camera: CameraDesired) -> None:
    book = Notebook(tmp_path, 0)
    book.write(1, [camera])
    book.write(2, [])
    assert [path.name for path in tmp_path.iterdir()] == ["worker-0.json"]
    assert stat.S_IMODE((tmp_path / "worker-0.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"epoch": 1}', '{"epoch": "x", "cameras": []}', "\0"])
def test_a_damaged_page_is_an_empty_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "worker-0.json").write_text(text)
    assert Notebook(tmp_path, 0).read() == Notes()

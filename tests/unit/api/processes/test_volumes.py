"""One writer per volume, whatever the number of workers was before."""

from pathlib import Path

from api.processes.volumes import all_volumes, volumes_of_slot
from api.settings import Settings, load_settings


def settings(tmp_path: Path, workers: int) -> Settings:
    return load_settings({"data_dir": tmp_path, "workers": workers}, {}, tmp_path)


def test_one_worker_writes_the_volume_itself(tmp_path: Path) -> None:
    assert volumes_of_slot(settings(tmp_path, 1), 0) == [tmp_path / "recordings"]


def test_no_two_slots_share_a_volume(tmp_path: Path) -> None:
    wanted = settings(tmp_path, 3)
    listed = [path for number in range(3) for path in volumes_of_slot(wanted, number)]
    assert len(set(listed)) == len(listed) == 3
    assert all_volumes(wanted) == listed


def test_what_a_retired_slot_left_goes_to_slot_zero(tmp_path: Path) -> None:
    (tmp_path / "recordings" / "slot-2").mkdir(parents=True)
    (tmp_path / "recordings" / "slot-1").mkdir()
    (tmp_path / "recordings" / "footage").mkdir()
    root = tmp_path / "recordings"
    assert volumes_of_slot(settings(tmp_path, 2), 0) == [root, root / "slot-2"]
    assert volumes_of_slot(settings(tmp_path, 2), 1) == [root / "slot-1"]
    assert all_volumes(settings(tmp_path, 1)) == [root, root / "slot-1", root / "slot-2"]

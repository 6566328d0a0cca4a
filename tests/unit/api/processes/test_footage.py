"""`xiangyun check` knows which disk this hub recorded on, and takes a new one only when told to."""

import shutil
from pathlib import Path

import pytest

from api.processes.footage import accept_volume, identity_book, look_at_footage
from api.settings import Settings, load_settings
from media.base.errors import HubError
from recorder.index.writer import IndexWriter
from recorder.volume import Volume, open_volume


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Two workers on one disk that was recorded on."""
    disk = tmp_path / "disk"
    made = load_settings({"data_dir": tmp_path / "data", "volumes": str(disk), "workers": 2}, {}, tmp_path)
    for root in (disk, disk / "slot-1"):
        identity_book(made).note(recorded_on(root))
    return made


def recorded_on(root: Path) -> Volume:
    volume = open_volume(root)
    IndexWriter(root / "index.sqlite3").close()
    return volume


def kinds(settings: Settings) -> set[str]:
    report, volumes = look_at_footage(settings, is_repair=False, is_deep=False)
    assert volumes == 2
    return {problem.kind for problem in report.problems}


def test_the_disk_that_was_recorded_on_is_good(settings: Settings) -> None:
    assert kinds(settings) == set()


def test_a_swapped_disk_is_a_problem_until_it_is_accepted(settings: Settings) -> None:
    (disk,) = settings.volumes
    shutil.rmtree(disk)
    for root in (disk, disk / "slot-1"):
        recorded_on(root)
    report, _ = look_at_footage(settings, is_repair=False, is_deep=False)
    assert f"xiangyun check --accept-volume {disk}" in report.problems[0].detail
    assert kinds(settings) == {"identity"}
    assert len(accept_volume(settings, disk)) == 2
    assert kinds(settings) == set()


def test_an_empty_disk_is_accepted_for_every_worker_that_writes_there(settings: Settings) -> None:
    (disk,) = settings.volumes
    shutil.rmtree(disk)
    disk.mkdir()
    book = identity_book(settings)
    assert [book.expected(disk), book.expected(disk / "slot-1")].count(None) == 0
    assert all("new volume" in line for line in accept_volume(settings, disk))
    assert [book.expected(disk), book.expected(disk / "slot-1")] == [None, None]


@pytest.mark.parametrize("place", ["elsewhere", "disk"])
def test_only_a_mounted_volume_of_the_settings_is_accepted(settings: Settings, tmp_path: Path, place: str) -> None:
    shutil.rmtree(settings.volumes[0])
    with pytest.raises(HubError):
        accept_volume(settings, tmp_path / place)

"""The data directory: private, owned by one, and patient with stragglers."""

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from api.processes.home import API_LOCK, WORKER_LOCK, DataDirLock, installation_id, prepare
from api.settings import Settings, load_settings
from media.base.errors import HubError


def settings(tmp_path: Path, **environ: str) -> Settings:
    return load_settings({"data_dir": tmp_path / "data"}, environ, tmp_path)


def test_a_fresh_directory_is_made_for_this_user_only(tmp_path: Path) -> None:
    prepared = prepare(settings(tmp_path))
    for path in (prepared.data_dir, prepared.run_dir, prepared.recording_volumes[0]):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert len(prepared.secret) >= 32


def test_a_second_start_has_the_same_secret(tmp_path: Path) -> None:
    assert prepare(settings(tmp_path)).secret == prepare(settings(tmp_path)).secret


def test_a_given_secret_is_used_and_none_is_written(tmp_path: Path) -> None:
    given = prepare(settings(tmp_path, XIANGYUN_SECRET_KEY="x" * 20))
    assert given.secret == "x" * 20
    assert not (given.data_dir / "secret.key").exists()


def test_an_open_socket_directory_is_closed(tmp_path: Path) -> None:
    wanted = settings(tmp_path)
    wanted.run_dir.mkdir(parents=True)
    wanted.run_dir.chmod(0o755)
    prepare(wanted)
    assert stat.S_IMODE(wanted.run_dir.stat().st_mode) == 0o700


def test_a_place_that_cannot_be_written_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the directory should be")
    with pytest.raises(HubError, match="set XIANGYUN_DATA_DIR"):
        prepare(settings(tmp_path))


def test_the_installation_keeps_its_name(tmp_path: Path) -> None:
    assert installation_id(tmp_path) == installation_id(tmp_path)


class TestLock:
    def test_a_second_hub_is_refused_at_once_and_told_who_runs(self, tmp_path: Path) -> None:
        with DataDirLock.take(tmp_path):
            started = time.monotonic()
            with pytest.raises(HubError, match=f"process {os.getpid()}") as caught:
                DataDirLock.take(tmp_path)
            assert caught.value.code == "already_running"
            assert time.monotonic() - started < 1

    def test_a_released_lock_can_be_taken_again(self, tmp_path: Path) -> None:
        DataDirLock.take(tmp_path).release()
        DataDirLock.take(tmp_path).release()

    def test_a_new_hub_waits_for_the_children_of_a_dead_one(self, tmp_path: Path) -> None:
        lock = DataDirLock.take(tmp_path)
        straggler = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(0.6)"], pass_fds=lock.fds)
        lock.release()
        (tmp_path / "lock").write_text("999999999\n")  # the holder that died
        started = time.monotonic()
        DataDirLock.take(tmp_path).release()
        assert time.monotonic() - started > 0.2
        assert straggler.wait(5) == 0

    def test_the_two_roles_share_a_directory_but_nobody_shares_a_role(self, tmp_path: Path) -> None:
        with DataDirLock.take(tmp_path, names=(WORKER_LOCK,)), DataDirLock.take(tmp_path, names=(API_LOCK,)):
            for names in ((WORKER_LOCK,), (API_LOCK,), (WORKER_LOCK, API_LOCK)):
                with pytest.raises(HubError, match="another xiangyun"):
                    DataDirLock.take(tmp_path, names=names)
        with DataDirLock.take(tmp_path, names=(API_LOCK,)):
            with pytest.raises(HubError, match="another xiangyun"):
                DataDirLock.take(tmp_path)
            DataDirLock.take(tmp_path, names=(WORKER_LOCK,)).release()  # what a failed take had, it gave back

    def test_a_straggler_that_does_not_end_is_reported(self, tmp_path: Path) -> None:
        with DataDirLock.take(tmp_path):
            (tmp_path / "lock").write_text("999999999\n")
            with pytest.raises(HubError, match="999999999"):
                DataDirLock.take(tmp_path, wait_s=0.3)

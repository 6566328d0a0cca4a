"""The command line: quick, exact, and never a stack trace."""

import subprocess
import sys
from pathlib import Path

import pytest

from api.cli.main import COMMANDS, spread
from api.cli.simulate import per_camera, size_of
from media.base.errors import HubError

ROOT = Path(__file__).parents[4]


def xiangyun(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", **environ}
    argv = [sys.executable, "-m", "api", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, env=env, cwd="/", timeout=30, check=False)


def test_help_lists_every_command() -> None:
    done = xiangyun("--help")
    assert done.returncode == 0
    assert [name for name in COMMANDS if f" {name} " not in done.stdout] == []


@pytest.mark.parametrize(
    ("arguments", "environ", "says"),
    [
        (["run"], {"XIANGYUN_PROT": "1"}, "did you mean XIANGYUN_PORT?"),
        (["verify", "package.zip"], {}, "nothing was verified"),
        (["run", "--role", "worker", "--data-dir", "{tmp}"], {}, "needs XIANGYUN_REDIS_URL"),
        (["run", "--data-dir", "/proc/nowhere"], {}, "set XIANGYUN_DATA_DIR"),
        (["simulate", "--defect", "hiccup"], {}, "unknown defect hiccup"),
        (["simulate", "--resolution", "large"], {}, "is not a size such as 1280x720"),
        (["check", "--data-dir", "{tmp}"], {}, "there is no footage"),
        (["restore", "{tmp}/none", "--data-dir", "{tmp}"], {}, "not a backup of ours"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    tmp_path: Path, arguments: list[str], environ: dict[str, str], says: str
) -> None:
    done = xiangyun(*(word.format(tmp=tmp_path) for word in arguments), **environ)
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 2


def test_openapi_needs_nothing() -> None:
    done = xiangyun("openapi")
    assert done.returncode == 0
    assert '"/api/v1/cameras"' in done.stdout


def test_many_values_after_one_option() -> None:
    given = ["simulate", "--defect", "silence", "3:drop", "--cameras", "4", "--clip", "a.mp4"]
    assert spread(given) == [
        *("simulate", "--defect", "silence", "--defect", "3:drop", "--cameras", "4", "--clip", "a.mp4")
    ]


def test_words_for_all_and_for_single_cameras() -> None:
    known = {"h264": 1, "h265": 2}
    assert per_camera(["h265", "3:h264"], known, 1) == (2, {3: 1})
    assert per_camera([], known, 1) == (1, {})
    for bad in ("vp9", "x:h264", "3:vp9"):
        with pytest.raises(HubError, match="is not one of h264, h265"):
            per_camera([bad], known, 1)


def test_sizes() -> None:
    assert size_of("1920x1080") == (1920, 1080)
    for bad in ("1920", "x", "1920x", "-1x5", "１x２"):
        with pytest.raises(HubError):
            size_of(bad)

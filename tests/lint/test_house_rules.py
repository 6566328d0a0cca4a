"""Rules of the house that no linter knows: sizes, broad excepts, registry addresses, words that do not belong."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("media", "streams", "recorder", "api")
PYPROJECT = (ROOT / "pyproject.toml").read_text()

SUPERVISORS = {
    "media/base/tasks.py",  # supervised work
    "streams/hub.py",  # one reader of a stream
    "streams/rooms/room.py",  # one command of one room
    "streams/source.py",  # one stream of one camera
    "streams/recording/lane.py",  # one recorded track
    "streams/recording/meetings.py",  # one recorded source
    "streams/webrtc/engine.py",  # one peer's tick
    "streams/webrtc/subscribing.py",  # one viewer
    "streams/webrtc/publishing.py",  # one publisher
    "streams/session/requests.py",  # one message of one page
    "recorder/writer.py",  # one volume
}
"""Files that may swallow `Exception`: where an unknown error of one camera, viewer, reader or disk must end."""


def sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def files_of_tests() -> list[Path]:
    return sorted((ROOT / "tests").rglob("*.py"))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def is_broad(handler: ast.ExceptHandler) -> bool:
    """Tell whether a handler takes everything and lets nothing through; cleaning up and raising again is fine."""
    last = handler.body[-1]
    if isinstance(last, ast.Raise) and last.exc is None:
        return False
    return handler.type is None or (
        isinstance(handler.type, ast.Name) and handler.type.id in {"Exception", "BaseException"}
    )


def test_no_function_is_longer_than_sixty_lines() -> None:
    long = [
        f"{name(path)}:{node.lineno} {node.name}"
        for path in sources()
        if "migrations/versions" not in name(path)
        for node in functions(path)
        if (node.end_lineno or 0) - node.lineno + 1 > 60
    ]
    assert long == []


def test_no_file_is_longer_than_five_hundred_lines() -> None:
    assert [name(p) for p in [*sources(), *files_of_tests()] if p.read_text().count("\n") > 500] == []


def test_every_module_says_what_it_is_in_at_most_fifteen_lines() -> None:
    bad = []
    for path in sources():
        doc = ast.get_docstring(ast.parse(path.read_text()))
        if "migrations/versions" not in name(path) and (not doc or doc.count("\n") + 1 > 15):
            bad.append(name(path))
    assert bad == []


def test_broad_excepts_live_in_supervisors_only() -> None:
    found = {
        name(path)
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler) and is_broad(node)
    }
    assert found <= SUPERVISORS


@pytest.mark.parametrize("word", ["util", "utils", "helper", "helpers", "manager", "common", "misc"])
def test_no_module_is_named_for_nothing(word: str) -> None:
    assert [name(p) for p in sources() if word in (p.stem, p.parent.name)] == []


def test_locks_hold_no_registry_addresses() -> None:
    tracked = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=False
    ).stdout.split("\n")
    locks = [
        ROOT / n
        for n in tracked
        if n.endswith(("package-lock.json", ".npmrc")) or Path(n).name.startswith("requirements")
    ]
    address = re.compile(r'"resolved": *"http|index-url|https?://[^ "]*\.(?:whl|tgz)|registry *= *http')
    assert [name(p) for p in locks if p.exists() and address.search(p.read_text())] == []


NAMES_OF_PACKAGES = {
    "argon2": "argon2-cffi", "cv2": "opencv-python-headless", "ffmpeg": "ffmpeg-python", "jwt": "pyjwt",
    "multipart": "python-multipart", "starlette": "fastapi", "imageio_ffmpeg": "imageio-ffmpeg",
    "prometheus_client": "prometheus-client", "pydantic_core": "pydantic", "pydantic_settings": "pydantic-settings",
    "swagger_ui_bundle": "swagger-ui-bundle", "click": "typer",
}  # fmt: skip
"""Modules whose package is called otherwise, or that belong to a package we name."""


def test_every_imported_package_is_named_in_pyproject() -> None:
    named = {re.split(r"[\[<>=~! ]", line)[0] for line in tomllib.loads(PYPROJECT)["project"]["dependencies"]}
    found = {
        module.partition(".")[0]
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        for module in imported(node)
    }
    foreign = found - sys.stdlib_module_names - set(PACKAGES)
    assert {NAMES_OF_PACKAGES.get(module, module) for module in foreign} - named == set()


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []

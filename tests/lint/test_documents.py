"""What is written for people stays true: links lead somewhere, versions agree, nothing is fetched from elsewhere."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import pytest
from fastapi.routing import APIRoute

from api.app import API_ROUTERS, PAGE_ROUTERS, VERSION
from api.auth.roles import ROLES
from api.camera_import.sheet import HEADINGS
from streams.simulator.defects import DEFECTS

ROOT = Path(__file__).resolve().parents[2]
CONSOLE = ROOT / "api" / "console"
LINK = re.compile(r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
HEADING = re.compile(r"^#+ +(.*?) *#*$", re.MULTILINE)
FENCE = re.compile(r"^( *)(```|~~~).*?^\1\2", re.MULTILINE | re.DOTALL)
FETCHED = re.compile(r"""(?:src|href|url)\s*[=(]\s*["']?\s*(?:https?:)?//[^"')\s]+|@import\s+["'](?:https?:)?//""")
IMPORTED = re.compile(r"""(?:import\s*\(?|from)\s*["']https?://""")


def documents() -> list[Path]:
    """Return the Markdown files of the project, those not committed yet included."""
    command = ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "*.md"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def links(text: str) -> Iterator[str]:
    yield from LINK.findall(FENCE.sub("", text))


def anchors(text: str) -> set[str]:
    """Return the anchors of the headings, as the usual readers of Markdown make them."""
    headings = HEADING.findall(FENCE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def is_broken(document: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (document.parent / path).resolve() if path else document
    if not target.exists():
        return True
    return bool(anchor) and target.suffix == ".md" and anchor not in anchors(target.read_text())


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{document.relative_to(ROOT)}: {link}"
        for document in documents()
        for link in links(document.read_text())
        if not re.match(r"[a-z]+:", link) and is_broken(document, link)
    ]
    assert broken == []


def test_every_page_of_docs_is_reached_from_the_readme() -> None:
    for readme in ("README.md", "README.zh-CN.md"):
        text = (ROOT / readme).read_text()
        reached = {(ROOT / link.partition("#")[0]).resolve() for link in links(text)}
        pages = {page.resolve() for page in documents() if page.parent == ROOT / "docs"}
        other = ".zh-CN.md" if readme == "README.md" else None
        missing = [page.name for page in pages - reached if other is None or not page.name.endswith(other)]
        if other is None:  # a Chinese page stands for the English one
            missing = [name for name in missing if not (ROOT / "docs" / name.replace(".md", ".zh-CN.md")).exists()]
        assert missing == [], readme


def test_the_version_is_one() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert (newest.group(1), VERSION) == (version, version)


def test_the_page_fetches_nothing_from_elsewhere() -> None:
    sources = [
        ROOT / "web" / "index.html",
        *(ROOT / "web" / "src").rglob("*.vue"),
        *(ROOT / "web" / "src").rglob("*.css"),
    ]
    assert [p.name for p in sources if FETCHED.search(p.read_text()) or IMPORTED.search(p.read_text())] == []


@pytest.mark.skipif(not (CONSOLE / "index.html").exists(), reason="the console is not built: make web")
def test_the_built_console_fetches_nothing_from_elsewhere() -> None:
    built = [path for path in CONSOLE.rglob("*") if path.suffix in {".html", ".css", ".js"}]
    assert len(built) > 3
    assert [p.name for p in built if FETCHED.search(p.read_text()) or IMPORTED.search(p.read_text())] == []


def test_every_operation_of_the_api_says_what_it_does() -> None:
    shown = [route for router in (*API_ROUTERS, *PAGE_ROUTERS) for route in router.routes if is_shown(route)]
    assert len(shown) > 40
    assert [route.path for route in shown if not route.description] == []


def is_shown(route: object) -> TypeGuard[APIRoute]:
    return isinstance(route, APIRoute) and route.include_in_schema


def rows(page: str) -> list[list[str]]:
    """Return the cells of the table rows that begin with code."""
    lines = (ROOT / "docs" / page).read_text().split("\n")
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]


def test_the_simulators_page_knows_every_defect() -> None:
    assert [row[0].strip("`") for row in rows("simulator.md")] == list(DEFECTS)


def test_the_security_page_shows_the_roles_as_they_are() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    heading = next(line for line in text.split("\n") if line.startswith("| verb |"))
    roles = [cell.strip() for cell in heading.strip("|").split("|")][2:]
    assert roles == list(ROLES)
    shown = {
        (role, verb)
        for row in rows("security.md")
        for verb in re.findall(r"`([a-z.]+)`", row[0])
        for role, mark in zip(roles, row[2:], strict=True)
        if mark == "●"
    }
    assert shown == {(role.id, verb.value) for role in ROLES.values() for verb in role.verbs}


def test_the_operators_pages_know_every_column_of_a_camera_list() -> None:
    for page in ("operate.md", "operate.zh-CN.md"):
        text = (ROOT / "docs" / page).read_text()
        assert [name for name in HEADINGS if not re.search(rf"\b{name}\b", text)] == []


def test_a_page_that_fetches_from_elsewhere_would_be_found() -> None:
    for line in (
        '<script src="https://cdn.example/x.js">',
        "url(//fonts.example/a)",
        'import x from "https://esm.example"',
    ):
        assert FETCHED.search(line) or IMPORTED.search(line)
    assert not FETCHED.search('<link href="./favicon.svg">')

"""The tables of SIGNALING.md, for tests that hold the page and the code equal."""

import re
from pathlib import Path

PAGE = (Path(__file__).resolve().parents[4] / "streams" / "SIGNALING.md").read_text()


def section(title: str) -> str:
    """Return the text below a heading of second level."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def first_cells(text: str) -> list[str]:
    """Return the words in code in the first cell of each row of the tables in `text`."""
    rows = [line.strip("|").split("|")[0] for line in text.split("\n") if line.startswith("| `")]
    return [word for cell in rows for word in re.findall(r"`([a-z_]+)`", cell)]

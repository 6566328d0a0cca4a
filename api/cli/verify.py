"""`xiangyun verify`: check an evidence export without the hub that made it."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.options import fail


def verify(package: Annotated[Path, typer.Argument(help="an exported evidence package")]) -> None:
    """Verify an evidence export offline."""
    fail(f"{package}: evidence exports come with a later version; nothing was verified")

"""`xiangyun restore`: put a backup back."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.options import DataDir
from api.operations.backup import read_backup
from api.settings import load_settings


def restore(
    source: Annotated[Path, typer.Argument(help="a file written by `xiangyun backup`")],
    force: Annotated[bool, typer.Option("--force", help="replace what the data directory holds")] = False,
    data_dir: DataDir = None,
) -> None:
    """Put a backup back into the data directory of a hub that is not running."""
    settings = load_settings({"data_dir": data_dir})
    report = read_backup(settings, source.absolute(), is_forced=force)
    typer.echo(f"{settings.data_dir}: {', '.join(report.files)}")

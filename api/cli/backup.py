"""`xiangyun backup`: accounts, cameras, audit and keys in one file."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.options import DataDir
from api.operations.backup import write_backup
from api.settings import load_settings
from media.base.clock import SystemClock


def backup(
    target: Annotated[Path, typer.Argument(help="the file to write, for instance county.tar.gz")],
    data_dir: DataDir = None,
) -> None:
    """Write accounts, cameras, audit and keys into one file (mode 0600). Works while the hub runs; footage stays."""
    settings = load_settings({"data_dir": data_dir})
    report = write_backup(settings, target.absolute(), SystemClock())
    typer.echo(f"{target}: {', '.join(report.files)}")
    if not report.has_database:
        typer.echo("the database is not in it: back PostgreSQL up with pg_dump")
    if settings.secret_key is not None:
        typer.echo("the secret key comes from the settings and is not in it: keep it with the backup")

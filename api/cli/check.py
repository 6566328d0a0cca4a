"""`xiangyun check`: do index, files and schema agree?"""

from typing import Annotated

import typer

from api.cli.options import DataDir
from api.processes.footage import check_volumes
from api.settings import load_settings


def check(
    repair: Annotated[bool, typer.Option("--repair", help="rebuild the index from the files")] = False,
    data_dir: DataDir = None,
) -> None:
    """Compare index, files and schema of every volume; exit 1 when something is wrong."""
    findings = check_volumes(load_settings({"data_dir": data_dir}), is_repair=repair)
    for finding in findings.lines:
        typer.echo(finding)
    if not findings.is_good:
        raise typer.Exit(1)

"""`xiangyun check`: do index, files and schema agree, and is it the disk that was recorded on?"""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.options import DataDir
from api.processes.footage import accept_volume as accept
from api.processes.footage import look_at_footage
from api.settings import load_settings

Accept = Annotated[Path | None, typer.Option("--accept-volume", help="record on the disk mounted here from now on")]


def check(
    repair: Annotated[bool, typer.Option("--repair", help="rebuild what does not agree; the hub must not run")] = False,
    deep: Annotated[bool, typer.Option("--deep", help="read all footage and compare its SHA-256")] = False,
    accept_volume: Accept = None,
    data_dir: DataDir = None,
) -> None:
    """Compare index, files and schema of every volume; exit 1 when something is wrong."""
    settings = load_settings({"data_dir": data_dir})
    if accept_volume is not None:
        for line in accept(settings, accept_volume):
            typer.echo(line)
        return
    report, volumes = look_at_footage(settings, is_repair=repair, is_deep=deep)
    for problem in report.problems:
        typer.echo(f"{problem.kind:<10} {problem.volume} {problem.path}: {problem.detail}")
    typer.echo(f"{report.segments} segments on {volumes} volumes, {len(report.problems)} problems")
    if report.repaired:
        typer.echo(f"{report.repaired} problems were repaired")
    if not report.is_clean:
        raise typer.Exit(1)

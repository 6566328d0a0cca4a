"""`xiangyun check`: do index, files and schema agree?"""

from typing import Annotated

import typer

from api.cli.options import DataDir, fail
from api.processes.volumes import all_volumes
from api.settings import load_settings
from recorder.check import check as check_volumes
from recorder.check import repair as repair_volumes


def check(
    repair: Annotated[bool, typer.Option("--repair", help="rebuild what does not agree; the hub must not run")] = False,
    deep: Annotated[bool, typer.Option("--deep", help="read all footage and compare its SHA-256")] = False,
    data_dir: DataDir = None,
) -> None:
    """Compare index, files and schema of every volume; exit 1 when something is wrong."""
    settings = load_settings({"data_dir": data_dir})
    volumes = [path for path in all_volumes(settings) if path.exists()]
    if not volumes:
        fail(f"there is no footage in {settings.data_dir}: give the data directory with --data-dir")
    report = repair_volumes(volumes) if repair else check_volumes(volumes, deep=deep)
    for problem in report.problems:
        typer.echo(f"{problem.kind:<10} {problem.volume} {problem.path}: {problem.detail}")
    typer.echo(f"{report.segments} segments on {len(volumes)} volumes, {len(report.problems)} problems")
    if report.repaired:
        typer.echo(f"{report.repaired} problems were repaired")
    if not report.is_clean:
        raise typer.Exit(1)

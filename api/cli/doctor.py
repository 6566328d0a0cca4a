"""`xiangyun doctor`: is this machine fit for the hub?"""

import typer

from api.cli.options import DataDir
from api.operations.doctor import Health, examine
from api.settings import load_settings

_MARKS = {Health.GOOD: "ok  ", Health.DOUBTFUL: "hmm ", Health.BAD: "BAD "}


def doctor(data_dir: DataDir = None) -> None:
    """Look at ports, UDP, TURN, clock, disk, codecs and addresses; say how to mend each. Exit 1 when one is bad."""
    findings = examine(load_settings({"data_dir": data_dir}))
    for finding in findings:
        typer.echo(f"{_MARKS[finding.health]} {finding.subject:<20} {finding.says}")
        if finding.fix:
            typer.echo(f"     {'':<20} → {finding.fix}")
    if any(finding.health is Health.BAD for finding in findings):
        raise typer.Exit(1)

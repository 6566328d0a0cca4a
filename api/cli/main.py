"""`xiangyun`: one command, one file per subcommand, each thin over the part that does the work.

A subcommand's module is imported only when it is called for, so that the supervisor and the simulator carry no web
framework and no database. Exit codes: 0 done, 1 something is wrong with what was looked at, 2 it could not be done
and stderr says why.
"""

import importlib
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from media.base.errors import HubError

COMMANDS = {
    "run": "the hub; ready when GET /readyz is 200",
    "demo": "the hub with a sample county and six simulated cameras",
    "simulate": "an RTSP server of many cameras, with defects if wanted",
    "check": "compare index, files and schema of the footage",
    "doctor": "is this machine fit, and how to mend it",
    "migrate": "bring the database to the shape this version needs",
    "openapi": "print the OpenAPI document",
    "backup": "write accounts, cameras, audit and keys into one file",
    "restore": "put a backup back",
    "verify": "verify an evidence export offline",
}


class Subcommands(TyperGroup):
    """Finds `xiangyun NAME` as the function NAME in the module api.cli.NAME."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command, importing its module; None for an unknown name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"api.cli.{cmd_name}")
        single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        command = single.command(cmd_name, short_help=COMMANDS[cmd_name], epilog=getattr(module, "EPILOG", None))
        command(getattr(module, cmd_name))
        return typer.main.get_command(single)


app = typer.Typer(
    name="xiangyun",
    help="Xiangyun 乡云 joins the cameras and the people of a county.",
    cls=Subcommands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def xiangyun() -> None:
    """Xiangyun 乡云 joins the cameras and the people of a county."""


MANY_VALUES = frozenset({"--clip", "--defect", "--codec", "--audio"})
"""Options of `simulate` that take several values after one name: `--defect silence no-marker`."""


def spread(arguments: list[str]) -> list[str]:
    """Return the arguments with `--defect a b` written as `--defect a --defect b`, which is what typer reads."""
    written: list[str] = []
    option = ""
    for argument in arguments:
        if argument.startswith("-"):
            option = argument if argument in MANY_VALUES else ""
            if not option:
                written.append(argument)
        else:
            written += [option, argument] if option else [argument]
    return written


def main() -> None:
    """Run the command; what is wrong with the world is one sentence and exit code 2, never a stack trace."""
    try:
        app(spread(sys.argv[1:]) if sys.argv[1:2] == ["simulate"] else None)
    except HubError as error:
        sys.stderr.write(f"xiangyun: {error.message}\n")
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None

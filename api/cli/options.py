"""The options that several subcommands share, and how they fail."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="where everything is kept (XIANGYUN_DATA_DIR)")]
Host = Annotated[str | None, typer.Option("--host", help="the address to listen on (XIANGYUN_HOST)")]
Port = Annotated[int | None, typer.Option("--port", help="the port of the console (XIANGYUN_PORT)")]


def fail(message: str, status: int = 2) -> NoReturn:
    """Print `message` to stderr and exit with `status`."""
    sys.stderr.write(f"xiangyun: {message}\n")
    raise typer.Exit(status)

"""`xiangyun run`: the hub."""

from typing import Annotated

import typer

from api.cli.options import DataDir, Host, Port
from api.processes.run import Role, run_hub
from api.processes.welcome import say_ready
from api.settings import load_settings


def run(
    role: Annotated[Role, typer.Option("--role", help="which part this machine runs")] = Role.ALL,
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
) -> None:
    """Run the hub until SIGTERM; ready when GET /readyz is 200."""
    run_hub(load_settings({"host": host, "port": port, "data_dir": data_dir}), role, on_ready=say_ready)

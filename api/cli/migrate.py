"""`xiangyun migrate`: the database's shape."""

import asyncio

import typer

from api.cli.options import DataDir
from api.db.engine import Database
from api.db.migrate import upgrade
from api.processes.home import prepare
from api.settings import load_settings


def migrate(data_dir: DataDir = None) -> None:
    """Bring the database to the shape this version needs; forward only. `run` does it too."""
    settings = prepare(load_settings({"data_dir": data_dir}))

    async def run() -> str:
        db = Database(settings.sqlalchemy_url)
        try:
            return await upgrade(db)
        finally:
            await db.aclose()

    typer.echo(f"the database is at revision {asyncio.run(run())}")

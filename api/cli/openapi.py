"""`xiangyun openapi`: the HTTP API as a document."""

import json
from pathlib import Path

import httpx
import typer

from api.app import create_app
from api.auth.passwords import Passwords
from api.auth.tokens import TokenSigner
from api.context import ApiContext, ControlOptions
from api.db.engine import Database
from api.forward.private_apps import UnixWorkers
from api.secrets.cipher import Cipher
from api.state import State
from media.base.clock import SystemClock
from streams.ingest.networks import SourceNetworks


def openapi() -> None:
    """Print the OpenAPI document of the HTTP API; opens no port, no database and no file."""
    state = State.open(f"unix://{Path('/nonexistent')}")
    context = ApiContext(
        options=ControlOptions(),
        db=Database("sqlite:////nonexistent/never-opened.db"),
        state=state,
        cipher=Cipher("no secret is used here"),
        signer=TokenSigner(b"no token is made here, so any key will do"),
        passwords=Passwords(),
        networks=SourceNetworks.parse(),
        clock=SystemClock(),
        workers=UnixWorkers(state, SystemClock()),
        replay=httpx.AsyncClient(),
    )
    typer.echo(json.dumps(create_app(context).openapi(), ensure_ascii=False, indent=1))

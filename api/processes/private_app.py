"""Serve a FastAPI app on a unix socket that only this user can open.

Used by the worker (on its own running loop) and by replay (as its whole life). A stale socket file of a killed
process is replaced. uvicorn's signal handling is switched off where the owner has its own.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import uvicorn
import uvloop
from fastapi import FastAPI

GRACEFUL_S = 1
"""A private request is short, or a download that api will ask again."""

BACKLOG = 256

MAX_SOCKET_FRAME_BYTES = 2 << 20
"""An offer of 256 Ki characters in its envelope, each of them more than one byte at worst."""


def bind_unix(path: Path) -> socket.socket:
    """Return a listening socket at `path`, mode 0600, replacing a stale file.

    The new socket is renamed into place, so that a client never finds the path missing.
    """
    fresh = path.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    bound.bind(os.fspath(fresh))
    fresh.chmod(0o600)
    bound.listen(BACKLOG)
    bound.setblocking(False)
    fresh.rename(path)
    return bound


class QuietServer(uvicorn.Server):
    """A uvicorn server whose owner handles signals; `up` is set once it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        """Prepare; `serve` starts it."""
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening."""
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the process's signal handlers alone."""
        yield


def private_config(
    app: FastAPI, *, lifespan: Literal["auto", "off"] = "auto", has_sockets: bool = False
) -> uvicorn.Config:
    """Return the configuration shared by all private apps: no access log, no server header, short farewells.

    WebSockets are taken by apps that have them. They are not compressed: what goes over a unix socket costs no bandwidth.
    """
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=GRACEFUL_S,
        timeout_keep_alive=60,
        ws="websockets-sansio" if has_sockets else "none",
        ws_max_size=MAX_SOCKET_FRAME_BYTES,
        ws_per_message_deflate=False,
        lifespan=lifespan,
    )


def run_private_app(app: FastAPI, path: Path) -> None:
    """Serve `app` at `path` until SIGTERM or SIGINT."""
    bound = bind_unix(path)

    async def serve() -> None:
        await uvicorn.Server(private_config(app)).serve(sockets=[bound])

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())

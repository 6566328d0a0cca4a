"""A real Valkey or Redis on a unix socket in a temporary directory, for the tests of the shared state."""

import asyncio
import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from api.processes.valkey import server_argv, server_binary

KINDS = ["valkey", pytest.param("redis", marks=pytest.mark.foreign)]


async def until(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    """Wait for what another process or a store does, which sets no event of ours; TimeoutError when it does not."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class StateServer:
    """A server that can be stopped and started again."""

    def __init__(self, kind: str, directory: Path) -> None:
        self.socket = directory / "state.sock"
        self.url = f"unix://{self.socket}"
        self._directory = directory
        found = shutil.which("redis-server") if kind == "redis" else str(server_binary())
        if found is None:
            pytest.skip("redis-server is not installed")
        self._binary = Path(found)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        argv = server_argv(self._binary, self.socket, self._directory)
        self._process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def lose_everything(self) -> None:
        """Kill the server and begin again with nothing, as a Redis without persistence does."""
        self.kill()
        shutil.rmtree(self._directory / "appendonlydir", ignore_errors=True)
        self.start()


@contextlib.contextmanager
def state_server(kind: str = "valkey") -> Iterator[StateServer]:
    """Run a server; the directory is short enough for a unix socket whatever pytest's temporary path is."""
    with tempfile.TemporaryDirectory(prefix="xy-") as name:
        server = StateServer(kind, Path(name))
        server.start()
        try:
            yield server
        finally:
            server.kill()

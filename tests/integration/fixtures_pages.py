"""Pages of the session gate for tests of the real hub: WebSockets over the network, without a browser or media."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

from tests.hub_process import HubProcess


class RealPage:
    """One page."""

    def __init__(self, socket: ClientConnection) -> None:
        """Speak over `socket`."""
        self.socket = socket
        self.told: list[dict[str, Any]] = []
        self._ids = 0

    def next(self, timeout_s: float = 60.0) -> dict[str, Any]:
        """Return the next message; `{}` when the server has closed."""
        try:
            message: dict[str, Any] = json.loads(self.socket.recv(timeout_s))
        except ConnectionClosed:
            return {}
        self.told.append(message)
        return message

    def until(self, kind: str) -> dict[str, Any]:
        """Return the next message of a kind, `{}` at the end."""
        while True:
            message = self.next()
            if not message or message["type"] == kind:
                return message

    def ask(self, kind: str, **more: Any) -> dict[str, Any]:
        """Send a request and return its answer, `{}` when there is none any more."""
        self._ids += 1
        self.socket.send(json.dumps({"type": kind, "id": self._ids, **more}))
        while True:
            message = self.next()
            if not message or message.get("id") == self._ids:
                return message

    def hello(self, **more: Any) -> dict[str, Any]:
        """Say hello and return the answer."""
        return self.ask("hello", protocol=1, **more)

    def closed(self) -> int:
        """Wait for the end and return its number."""
        while self.next():
            pass
        return int(self.socket.protocol.close_code or 0)


@contextmanager
def page(hub: HubProcess, query: str = "", **more: Any) -> Iterator[RealPage]:
    """Open a page; it is gone at the end."""
    with connect(
        f"ws://127.0.0.1:{hub.port}/api/v1/session{query}", open_timeout=60, close_timeout=2, **more
    ) as socket:
        yield RealPage(socket)


def resumed(hub: HubProcess, secret: str, within_s: float = 60.0) -> dict[str, Any]:
    """Come back as a page does, again and again; return the welcome."""
    deadline_s = time.monotonic() + within_s
    while True:
        try:
            with page(hub) as again:
                answer = again.hello(resume=secret)
                if answer.get("type") == "welcome":
                    return answer
        except (OSError, WebSocketException):
            answer = {}  # nobody listens yet, or only half
        assert time.monotonic() < deadline_s, f"not resumed: {answer}"
        time.sleep(0.2)

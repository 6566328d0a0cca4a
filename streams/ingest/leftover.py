"""Sessions that a dead worker left open on cameras, so that the next one can end them.

Some cameras (live555 and its kin) keep sending to a session nobody reads, or count it against their limit of two or
three, for a minute and more. A connection notes its session here when it plays and removes it when TEARDOWN was
answered; what is still noted at the next connect is torn down first. Used on the event loop; the file is written
behind it, at most a few times a second. Holds no credentials.
"""

import asyncio
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import structlog

from media.base.ids import StreamKey

log = structlog.get_logger(__name__)

WRITE_DELAY_S = 0.2


@dataclass(frozen=True, slots=True)
class LeftSession:
    """What TEARDOWN needs: the session's id and the URL it controls (without credentials)."""

    session_id: str
    control_url: str


class SessionStore(Protocol):
    """Remembers open sessions across the death of a worker. All calls return at once."""

    def load(self, key: StreamKey) -> LeftSession | None:
        """Return the session noted for `key`."""
        ...

    def save(self, key: StreamKey, session: LeftSession) -> None:
        """Note that a session is open."""
        ...

    def forget(self, key: StreamKey) -> None:
        """Note that it has ended."""
        ...


class MemorySessionStore:
    """Remembers for the life of the process."""

    def __init__(self) -> None:
        """Start empty."""
        self._sessions: dict[str, LeftSession] = {}

    def load(self, key: StreamKey) -> LeftSession | None:
        """Return the session noted for `key`."""
        return self._sessions.get(str(key))

    def save(self, key: StreamKey, session: LeftSession) -> None:
        """Note that a session is open."""
        self._sessions[str(key)] = session

    def forget(self, key: StreamKey) -> None:
        """Note that it has ended."""
        self._sessions.pop(str(key), None)


class FileSessionStore(MemorySessionStore):
    """Remembers in a JSON file, read once at start; an unreadable file is an empty one."""

    def __init__(self, path: Path) -> None:
        """Read `path` (blocking: call before the loop serves anybody)."""
        super().__init__()
        self._path = path
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="sessions")
        self._due: asyncio.TimerHandle | None = None
        try:
            stored = json.loads(path.read_text())
            self._sessions = {
                key: LeftSession(str(s["session_id"]), str(s["control_url"])) for key, s in stored.items()
            }
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            log.warning("file of left sessions is unreadable and ignored")

    def save(self, key: StreamKey, session: LeftSession) -> None:
        """Note that a session is open."""
        super().save(key, session)
        self._schedule()

    def forget(self, key: StreamKey) -> None:
        """Note that it has ended."""
        super().forget(key)
        self._schedule()

    def _schedule(self) -> None:
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(WRITE_DELAY_S, self._hand_over)

    def _hand_over(self) -> None:
        """Give the state of now to the writing thread."""
        self._due = None
        self._writer.submit(self._write, json.dumps({key: asdict(s) for key, s in self._sessions.items()}))

    def _write(self, text: str) -> None:
        fresh = self._path.with_suffix(".new")
        try:
            fresh.write_text(text)
            os.replace(fresh, self._path)  # noqa: PTH105  # the pathlib twin says less
        except OSError as error:
            log.warning("left sessions not written", error=error.strerror)

    async def aclose(self) -> None:
        """Write what is due and stop the thread."""
        if self._due is not None:
            self._due.cancel()
            self._hand_over()
        await asyncio.get_running_loop().run_in_executor(None, self._writer.shutdown)

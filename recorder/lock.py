"""One writer per volume: a lock file that the kernel releases with the process.

Taken by the writer thread of a volume and by `check --repair`; readers do not need it.
"""

import fcntl
import os
from types import TracebackType
from typing import Self

from media.base.errors import ErrorKind, HubError
from recorder.volume import Volume

LOCK_NAME = "writer.lock"


class WriterLock:
    """Held as long as this object is open."""

    def __init__(self, volume: Volume) -> None:
        """Take the lock; HubError CONFLICT `volume_busy` when another process writes this volume, OSError otherwise."""
        self._fd = os.open(volume.path(LOCK_NAME), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(self._fd)
            raise HubError(ErrorKind.CONFLICT, "another process writes this volume", code="volume_busy") from exc

    def close(self) -> None:
        """Release the lock. Idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        """Return the lock, held."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release."""
        self.close()

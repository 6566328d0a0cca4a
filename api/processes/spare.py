"""A worker started ahead: it has loaded its libraries and waits to be told which slot it mans.

Loading takes a second and more of processor time, most of what the crash of a worker costs its cameras. The
supervisor keeps one `Spare` for all slots, on its loop; the process calls `wait_for_slot` before it reads any setting
or touches any file, so that a spare that is never needed does nothing.
"""

import asyncio
import os
import sys

import setproctitle
import structlog

from api.processes.child import Child, ChildSpec

START_AFTER_S = 10.0
"""A spare is loaded when what was just started has done so: it must not compete with a worker that comes back."""
LOOK_EVERY_S = 1.0

log = structlog.get_logger(__name__)


class Spare:
    """Keeps one process waiting. `run` is its task; `take` may be called at any time."""

    def __init__(self, spec: ChildSpec) -> None:
        """Wait with processes of `spec`."""
        self._spec = spec
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """Return the process id of the waiting process, if there is one."""
        return self._child.pid if self._child is not None and self._child.is_running else None

    async def run(self) -> None:
        """Have one waiting, for ever; it ends with this task."""
        try:
            while True:
                await asyncio.sleep(START_AFTER_S)
                try:
                    self._child = await Child.start(self._spec)
                except OSError as error:
                    log.error("no spare can be started", error=str(error))
                while self.pid is not None:  # noqa: ASYNC110  # neither taken nor ended: a process sets no event
                    await asyncio.sleep(LOOK_EVERY_S)
        finally:
            if self._child is not None:
                self._child.kill()

    def take(self, spec: ChildSpec) -> Child | None:
        """Let the waiting process be the child of `spec`; None when there is none or `spec` is for no spare."""
        if spec.spare_word is None or self.pid is None:
            return None
        child, self._child = self._child, None
        return child.become(spec, spec.spare_word) if child is not None else None


def wait_for_slot() -> int:
    """Return the slot this process is told to man; ends the process when its supervisor goes away."""
    setproctitle.setproctitle("xiangyun spare")
    line = sys.stdin.readline()
    if not line:
        raise SystemExit(0)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123  # a device
        os.dup2(nothing.fileno(), sys.stdin.fileno())
    return int(line)

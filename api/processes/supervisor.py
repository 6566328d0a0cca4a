"""Start the children, start them again when they die, stop them in order.

Runs in the parent process of `xiangyun run` on a plain asyncio loop; does nothing else there, so that nothing else
can kill it. A child that dies is back after `RESTART_S`, one that keeps dying after growing pauses. The first SIGTERM
or SIGINT stops in order of `stop_rank`, the second kills. Knows nothing of what the children do.
"""

import asyncio
import signal
from collections.abc import Callable, Sequence
from itertools import groupby

import structlog

from api.processes.child import Child, ChildSpec, Orphans
from api.processes.spare import Spare
from media.base.clock import Clock
from media.base.tasks import Owner

log = structlog.get_logger(__name__)

RESTART_S = 0.2
"""The first pause; a crash heals within 3 s, of which the child's own start takes most where no spare waits."""

RESTART_LIMIT_S = 4.0
"""Whatever kills a child again and again, an outage stays below 10 s: this, 2 s of start, and the first key frame."""
GOOD_AFTER_S = 10.0
"""A child that lived this long has proved itself; its next death is a first one again."""

FORCED_STOP_S = 1.0
ORPHANS_EVERY_S = 2.0


class Supervisor:
    """Keeps a set of children running until told to stop."""

    def __init__(
        self,
        specs: Sequence[ChildSpec],
        clock: Clock,
        *,
        spare: ChildSpec | None = None,
        on_death: Callable[[str], None] | None = None,
    ) -> None:
        """Take the children in the order in which they are to be started, and what to keep waiting for a death."""
        self._specs = tuple(specs)
        self._clock = clock
        self._spare = Spare(spare) if spare is not None else None
        self._on_death = on_death
        self._children: dict[str, Child] = {}
        self._stopping = asyncio.Event()
        self._is_forced = False
        self.restarts: dict[str, int] = {spec.name: 0 for spec in specs}

    def pid_of(self, name: str) -> int | None:
        """Return the process id of a child, or None while it is down."""
        child = self._children.get(name)
        return child.pid if child is not None and child.is_running else None

    def request_stop(self) -> None:
        """Stop in order; called again, kill. Safe from a signal handler of the loop."""
        if self._stopping.is_set():
            self._is_forced = True
            for child in self._children.values():
                child.kill()
        self._stopping.set()

    def handle_signals(self) -> None:
        """Let SIGTERM, SIGINT and SIGHUP of this process call `request_stop`."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self.request_stop)

    async def run(self) -> None:
        """Run until `request_stop`, then until every child has ended."""
        async with Owner("supervisor") as owner:
            for spec in self._specs:
                owner.start(self._keep_running(spec), spec.name)
                await asyncio.sleep(0)
            owner.start(self._collect_orphans(), "orphans")
            if self._spare is not None:
                owner.start(self._spare.run(), "spare")
            await self._stopping.wait()
            await self._stop_all()

    async def _collect_orphans(self) -> None:
        orphans = Orphans()
        while True:
            await asyncio.sleep(ORPHANS_EVERY_S)
            orphans.collect(self._own_pids())

    def _own_pids(self) -> set[int]:
        pids = {child.pid for child in self._children.values()}
        if self._spare is not None and self._spare.pid is not None:
            pids.add(self._spare.pid)
        return pids

    async def _keep_running(self, spec: ChildSpec) -> None:
        early_deaths = 0
        while not self._stopping.is_set():
            started_ns = self._clock.mono_ns()
            await self._run_once(spec)
            if self._stopping.is_set():
                return
            lived_s = (self._clock.mono_ns() - started_ns) / 1e9
            early_deaths = 0 if lived_s >= GOOD_AFTER_S else early_deaths + 1
            pause_s = min(RESTART_LIMIT_S, RESTART_S * 2 ** max(0, early_deaths - 1))
            self.restarts[spec.name] += 1
            log.error("child ended and is started again", child=spec.name, lived_s=round(lived_s, 1), pause_s=pause_s)
            if self._on_death is not None:
                self._on_death(spec.name)
            await asyncio.sleep(pause_s)
            if spec.before_restart is not None:
                await asyncio.to_thread(spec.before_restart, early_deaths)

    async def _run_once(self, spec: ChildSpec) -> None:
        try:
            spare = self._spare.take(spec) if self._spare is not None else None
            child = self._children[spec.name] = spare or await Child.start(spec)
        except OSError as error:
            log.error("child cannot be started", child=spec.name, error=str(error))
            return
        if self._is_forced:
            child.kill()
        log.info("child started", child=spec.name, pid=child.pid)
        status = await child.wait()
        if not self._stopping.is_set():
            log.warning("child ended", child=spec.name, pid=child.pid, status=status)

    async def _stop_all(self) -> None:
        started_ns = self._clock.mono_ns()
        ranked = sorted(self._children.values(), key=lambda child: child.spec.stop_rank)
        for _rank, group in groupby(ranked, key=lambda child: child.spec.stop_rank):
            await asyncio.gather(*(self._stop(child) for child in group))
        log.info("stopped", took_s=round((self._clock.mono_ns() - started_ns) / 1e9, 2), forced=self._is_forced)

    async def _stop(self, child: Child) -> None:
        if not child.is_running:
            return
        await child.stop(FORCED_STOP_S if self._is_forced else child.spec.stop_timeout_s)
        log.info("child stopped", child=child.spec.name)

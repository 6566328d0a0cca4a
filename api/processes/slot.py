"""The worker's seat in the hub: its lease, its share of the cameras, and how it goes on without Redis.

One per worker, on its event loop. `epoch` and the first cameras are there before anything runs, from Redis or from
the notebook. `run` keeps the lease and hands every change of the desired cameras to `on_cameras`. While Redis is away
it changes nothing and opens nothing new; when it is back, it reconciles. A slot taken by another installation, or an
epoch overtaken, ends the worker (`SlotLostError`), because two writers are worse than none.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from api.processes.notebook import Notebook, Notes
from api.processes.placement import Move, NodeWatch, moves
from api.settings import Settings
from api.state import CameraDesired, Lease, SlotInfo, State
from api.state.cameras import CHANGED
from api.state.slots import LEASE_REFRESH_S
from media.base.clock import Clock
from media.base.errors import ErrorKind, HubError
from media.base.tasks import Owner

log = structlog.get_logger(__name__)

STATE_WAIT_S = 2.0
"""How long a starting worker waits for Redis before it begins from its notes; the private Valkey is up in 50 ms."""

CATCH_UP_S = 10.0
"""Reconcile at least this often: a message may have been missed."""

OnCameras = Callable[[Mapping[str, CameraDesired]], Awaitable[None]]


class SlotLostError(HubError):
    """Another worker mans this slot."""

    def __init__(self, slot: str) -> None:
        """Name the slot."""
        super().__init__(ErrorKind.CONFLICT, "the slot has another worker", code="slot_lost", slot=slot)


class Slot:
    """The seat of worker `number` on this node."""

    def __init__(self, settings: Settings, number: int, state: State, clock: Clock, installation: str) -> None:
        """Prepare; `enter` takes the seat."""
        self.name = f"{settings.node}/{number}"
        self._settings = settings
        self._number = number
        self._state = state
        self._clock = clock
        self._notebook = Notebook(settings.data_dir / "workers", number)
        self._lease = Lease(self.name, installation, 0)
        self._nodes = NodeWatch(settings.node)
        self._is_registered = False
        self._is_stale = asyncio.Event()
        self.cameras: dict[str, CameraDesired] = {}
        self.is_connected = False

    @property
    def epoch(self) -> int:
        """Return the fencing epoch of this life of the worker."""
        return self._lease.epoch

    async def enter(self) -> None:
        """Take the seat: the lease when Redis answers in time, else an epoch of one's own; and the last cameras.

        SlotLostError when another installation holds the slot.
        """
        notes = await asyncio.to_thread(self._notebook.read)
        self.cameras = {camera.id: camera for camera in notes.cameras}
        epoch = await self._claim(notes)
        self._lease = Lease(self.name, self._lease.installation, epoch)
        await self._note()

    async def _claim(self, notes: Notes) -> int:
        try:
            async with asyncio.timeout(STATE_WAIT_S):
                await self._state.wait_until_up(STATE_WAIT_S)
                lease = await self._state.claim_slot(self.name, self._lease.installation, epoch_floor=notes.epoch)
        except (HubError, TimeoutError) as error:
            if isinstance(error, HubError) and error.code == "slot_taken":
                raise SlotLostError(self.name) from error
            log.warning("starting from the notes, the shared state is away", cameras=len(self.cameras))
            return notes.epoch + 1
        self.is_connected = True
        return lease.epoch

    async def run(self, on_cameras: OnCameras) -> None:
        """Keep the seat and the cameras until cancelled; SlotLostError ends the worker."""
        async with Owner("slot") as owner:
            lease = owner.start(self._keep_lease(), "lease")
            cameras = owner.start(self._keep_cameras(on_cameras), "cameras")
            listener = owner.start(self._listen(), "listen")
            done, _ = await asyncio.wait({lease, cameras, listener}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()

    async def _keep_lease(self) -> None:
        while True:
            try:
                if not await self._state.refresh_slot(self._lease):
                    raise SlotLostError(self.name)
                if not self._is_registered:
                    await self._register()
            except HubError as error:
                if isinstance(error, SlotLostError):
                    raise
                self._set_connected(is_connected=False)
            else:
                self._set_connected(is_connected=True)
            await asyncio.sleep(LEASE_REFRESH_S)

    def _set_connected(self, *, is_connected: bool) -> None:
        if is_connected == self.is_connected:
            return
        self.is_connected = is_connected
        self._is_registered = self._is_registered and is_connected
        self._is_stale.set()
        if is_connected:
            log.info("the shared state is back")
        else:
            log.warning("the shared state is away, going on with what runs", cameras=len(self.cameras))

    async def _register(self) -> None:
        """Enter all slots of this node, also those about to start, and strike those it no longer has."""
        for number in range(self._settings.workers):
            await self._state.register_slot(
                SlotInfo(
                    slot=f"{self._settings.node}/{number}",
                    node=self._settings.node,
                    number=number,
                    workers=self._settings.workers,
                    socket=str(self._settings.worker_socket(number)),
                    relay=f"unix:{self._settings.relay_socket(number)}",
                )
            )
        for slot in (await self._state.slots()).values():
            if slot.node == self._settings.node and slot.number >= self._settings.workers:
                await self._state.forget_slot(slot.slot)
        self._is_registered = True
        self._is_stale.set()

    async def _listen(self) -> None:
        async for _message in self._state.listen(CHANGED):
            self._is_stale.set()

    async def _keep_cameras(self, on_cameras: OnCameras) -> None:
        await on_cameras(self.cameras)
        while True:
            try:
                async with asyncio.timeout(CATCH_UP_S):
                    await self._is_stale.wait()
            except TimeoutError:
                pass
            self._is_stale.clear()
            mine = await self._share()
            if mine is None or mine == self.cameras:
                continue
            self.cameras = mine
            await on_cameras(mine)
            await self._note()

    async def _share(self) -> dict[str, CameraDesired] | None:
        """Return the cameras of this slot, having placed those without one; None when it cannot be known now."""
        if not self._is_registered:
            return None
        try:
            desired = await self._state.cameras()
            if desired is None:
                return None
            assigned = await self._place(desired)
        except HubError:
            return None
        return {key: camera for key, camera in desired.items() if assigned.get(key) == self.name}

    async def _place(self, desired: Mapping[str, CameraDesired]) -> dict[str, str]:
        """See that every camera has a slot, and return who is where.

        When Redis has forgotten the register or the assignment, what runs here stays here.
        """
        slots = await self._state.slots()
        if self.name not in slots:
            await self._register()
            slots = await self._state.slots()
        assigned = await self._state.assignments()
        kept = [Move(key, "", self.name) for key in self.cameras if key in desired and key not in assigned]
        others = [key for key in desired if key in assigned or key not in self.cameras]
        wanted = kept + moves(others, assigned, slots, self._nodes.gone(slots, self._clock.mono_ns()))
        for move in wanted:
            await self._state.assign_camera(move.camera_id, move.slot, instead_of=move.instead_of)
        return await self._state.assignments() if wanted else assigned

    async def _note(self) -> None:
        try:
            await asyncio.to_thread(self._notebook.write, self.epoch, list(self.cameras.values()))
        except OSError as error:
            log.warning("the desired cameras cannot be written down", error=str(error))

    async def leave(self) -> None:
        """Give the lease back, if anybody is there to take it."""
        try:
            await self._state.release_slot(self._lease)
        except HubError:
            log.info("the lease runs out by itself, the shared state is away")

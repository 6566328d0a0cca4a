"""What the control plane is given: options, database, state, cipher, clock, and the private apps behind it.

Made by the composition root (`api.processes.api`, or a test) and handed to `api.app.create_app`; kept for the
life of the process on its event loop. The Protocols say what is needed of parts written elsewhere; `api.state.State` and
`api.forward.private_apps.UnixWorkers` are the real ones.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import httpx

from api.auth.passwords import Passwords
from api.auth.tokens import TokenSigner
from api.auth.turns import Turns
from api.db.engine import Database
from api.secrets.cipher import Cipher
from api.state import CameraDesired, EventBatch, Message, SlotInfo, WorkerEvent
from api.state.buckets import Taken
from media.base.clock import Clock
from streams.ingest.networks import SourceNetworks


class StateStore(Protocol):
    """The shared, quick, forgettable state. Every call may raise HubError UNAVAILABLE."""

    async def put_camera(self, camera: CameraDesired) -> None:
        """Make `camera` desired and announce it."""
        ...

    async def remove_camera(self, camera_id: str) -> None:
        """Make the camera undesired and announce it."""
        ...

    async def replace_cameras(self, cameras: Iterable[CameraDesired]) -> None:
        """Make the desired cameras exactly these."""
        ...

    async def cameras(self) -> dict[str, CameraDesired] | None:
        """Return the desired cameras; None when nobody has written them since the store was emptied."""
        ...

    async def statuses(self, camera_ids: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
        """Return the last state object of the given cameras (all when None); unknown ones are missing."""
        ...

    async def slot_of_camera(self, camera_id: str) -> SlotInfo | None:
        """Return the worker slot that holds the camera, None while nobody does."""
        ...

    async def slots(self) -> dict[str, SlotInfo]:
        """Return the registered slots by name."""
        ...

    async def put_room_slot(self, room_id: str, slot: str) -> None:
        """Note where a room lives."""
        ...

    async def replace_room_slots(self, slots: Mapping[str, str]) -> None:
        """Make what is noted of rooms exactly this."""
        ...

    async def publish(self, channel: str, data: dict[str, Any]) -> None:
        """Send `data` to whoever listens on `channel` now."""
        ...

    def listen(self, *channels: str) -> AsyncIterator[Message]:
        """Yield what is said on the channels; what is said while not connected is lost."""
        ...

    async def take_token(self, key: str, *, rate_per_s: float, burst: float, cost: float = 1.0) -> Taken:
        """Take `cost` tokens of bucket `key`."""
        ...

    async def read_events(
        self, consumer: str, *, is_unacknowledged: bool = False, limit: int = 100, wait_s: float = 1.0
    ) -> EventBatch:
        """Return worker events, new ones or those not acknowledged yet."""
        ...

    async def ack_events(self, events: Iterable[WorkerEvent]) -> None:
        """Forget events that have been dealt with."""
        ...

    async def ping(self) -> None:
        """Return when the store answers."""
        ...


@dataclass(frozen=True, slots=True)
class WorkerLink:
    """A worker slot and the client of its private app."""

    slot: str
    client: httpx.AsyncClient
    socket: str = ""
    """The path of its unix socket, for what is no single request."""


class Workers(Protocol):
    """Finds the worker of a camera or of a running session."""

    async def of_camera(self, camera_id: str) -> WorkerLink:
        """Return the worker that holds the camera; HubError UNAVAILABLE `worker_unavailable` when nobody does."""
        ...

    async def any(self) -> WorkerLink:
        """Return some worker, for work that belongs to no camera, such as probing."""
        ...

    async def all(self) -> list[WorkerLink]:
        """Return every registered worker, whether it lives or not."""
        ...

    async def of_slot(self, slot: str) -> WorkerLink:
        """Return the worker in `slot`; HubError UNAVAILABLE when the slot is gone."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlOptions:
    """The settings the control plane itself reads."""

    turn_urls: tuple[str, ...] = ()
    turn_secret: str | None = None
    console_dir: Path = field(default_factory=lambda: Path(__file__).parent / "console")
    sweep_every_s: float = 1.0
    session_spread: Literal["home", "spread"] = "home"
    """Whether sessions of a room sit in the worker where the room lives while there is room, or on all workers."""
    node: str = "node"
    admin_password: str | None = field(default=None, repr=False)
    """Makes the user `admin` when the database is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiContext:
    """Everything `create_app` needs. The giver closes database, state and clients after the app has stopped.

    `replay` is a client of the replay process's private app, with its unix socket as transport.
    """

    options: ControlOptions
    db: Database
    state: StateStore
    cipher: Cipher
    signer: TokenSigner
    passwords: Passwords
    networks: SourceNetworks
    clock: Clock
    workers: Workers
    replay: httpx.AsyncClient
    login_turns: Turns = field(default_factory=Turns)
    room_turns: Turns = field(default_factory=Turns)
    """One at a time: settling a room in a slot, copying its journal."""
    rooms_told: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Room → slot and version of which its worker has been told; forgotten when a worker says it does not know."""
    access_changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by whoever changes accounts, roles or grants; wakes the sweeper at once."""
    calls_changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a call may have to move on: somebody answered, hung up, or left its room."""
    desired_behind: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a camera change could not be announced; wakes the reconciliation."""

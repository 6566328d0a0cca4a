"""The way to the private apps of workers and replay: find the process, ask it, translate what it answers.

Used by services that forward data-plane requests. api has authenticated, authorised and audited before anything
comes here. Upstream problem documents keep their code; upstream silence becomes UNAVAILABLE or TIMEOUT.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from api.auth.actor import Actor
from api.context import StateStore, WorkerLink
from api.state import SlotInfo
from media.base.clock import Clock
from media.base.errors import ErrorKind, HubError

NEWS_NS = 500_000_000
"""So long the list of slots is believed: twenty people who join in a second need not ask for it sixty times."""
PRIVATE_TIMEOUT = httpx.Timeout(15.0, connect=2.0)

_KIND_OF_STATUS = {
    400: ErrorKind.INVALID,
    403: ErrorKind.DENIED,
    404: ErrorKind.NOT_FOUND,
    409: ErrorKind.CONFLICT,
    415: ErrorKind.INVALID,
    416: ErrorKind.INVALID,
    422: ErrorKind.INVALID,
    429: ErrorKind.EXHAUSTED,
    504: ErrorKind.TIMEOUT,
}
_PASSED_CONTEXT = ("spans", "codec", "camera_id", "limit")


class UnixWorkers:
    """Workers reached by the unix sockets they registered in the shared state; remembers them while it is away."""

    def __init__(self, state: StateStore, clock: Clock, known: Iterable[SlotInfo] = ()) -> None:
        """Ask `state` who holds which camera; until it has answered once, `known` slots are there."""
        self._state = state
        self._clock = clock
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._known: dict[str, SlotInfo] = {info.slot: info for info in known}
        self._places: dict[str, str] = {}
        self._looked_ns: int | None = None

    async def of_camera(self, camera_id: str) -> WorkerLink:
        """Return the worker that holds the camera; HubError UNAVAILABLE `worker_unavailable` when nobody does."""
        try:
            info = await self._state.slot_of_camera(camera_id)
        except HubError:
            info = self._known.get(self._places.get(camera_id, ""))
        if info is None:
            raise HubError(ErrorKind.UNAVAILABLE, "no worker holds the camera yet", code="worker_unavailable")
        self._places[camera_id] = info.slot
        return self._link(info)

    async def any(self) -> WorkerLink:
        """Return the first manned worker; HubError UNAVAILABLE while there is none."""
        await self._look()
        for info in sorted(self._known.values(), key=lambda info: info.number):
            if info.is_manned:
                return self._link(info)
        raise HubError(ErrorKind.UNAVAILABLE, "no worker is up", code="worker_unavailable")

    async def all(self) -> list[WorkerLink]:
        """Return every registered worker, whether it lives or not; those known before while the state is away."""
        await self._look(within_ns=NEWS_NS)
        return [self._link(info) for _, info in sorted(self._known.items())]

    async def of_slot(self, slot: str) -> WorkerLink:
        """Return the worker in `slot`."""
        await self._look(within_ns=NEWS_NS)
        if slot not in self._known:
            await self._look()
        info = self._known.get(slot)
        if info is None:
            raise HubError(ErrorKind.UNAVAILABLE, "the slot is gone", code="worker_unavailable")
        return self._link(info)

    async def _look(self, within_ns: int = 0) -> None:
        """Ask the shared state, unless it was asked within so long."""
        now_ns = self._clock.mono_ns()
        if self._looked_ns is not None and now_ns - self._looked_ns < within_ns:
            return
        try:
            self._known = await self._state.slots()
        except HubError:
            return  # the sockets do not move while the state is away
        self._looked_ns = now_ns

    def _link(self, info: SlotInfo) -> WorkerLink:
        self._known[info.slot] = info
        client = self._clients.get(info.socket)
        if client is None:
            transport = httpx.AsyncHTTPTransport(uds=info.socket)
            client = httpx.AsyncClient(transport=transport, base_url="http://worker", timeout=PRIVATE_TIMEOUT)
            self._clients[info.socket] = client
        return WorkerLink(info.slot, client, info.socket)

    async def aclose(self) -> None:
        """Close the clients."""
        for client in self._clients.values():
            await client.aclose()


@asynccontextmanager
async def translated(what: str) -> AsyncIterator[None]:
    """Turn what httpx raises into HubError; `what` is `worker` or `replay`."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise HubError(ErrorKind.TIMEOUT, f"{what} did not answer", code=f"{what}_unavailable") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        cause = type(error).__name__
        raise HubError(
            ErrorKind.UNAVAILABLE, f"{what} cannot be reached", code=f"{what}_unavailable", cause=cause
        ) from error


def private_headers(actor: Actor, session_id: str = "") -> dict[str, str]:
    """Return the headers that tell a private app on whose behalf it works."""
    headers = {"X-Xiangyun-User": actor.user_id or "", "X-Trace-Id": actor.trace_id}
    return headers | ({"X-Xiangyun-Session": session_id} if session_id else {})


def error_of(response: httpx.Response, what: str) -> HubError:
    """Return the HubError of a private app's refusal; its body must have been read."""
    try:
        body = response.json()
    except ValueError:
        body = {}
    told: Mapping[str, Any] = body if isinstance(body, dict) else {}
    kind = _KIND_OF_STATUS.get(response.status_code, ErrorKind.UNAVAILABLE)
    code = told.get("code")
    message = str(told.get("detail") or told.get("message") or f"{what} refused")
    context = {key: told[key] for key in _PASSED_CONTEXT if key in told}
    return HubError(kind, message, code=str(code) if code else f"{what}_unavailable", **context)


async def ask_json(client: httpx.AsyncClient, what: str, path: str, params: Mapping[str, str], actor: Actor) -> Any:
    """Return the JSON of a private GET; HubError for a refusal or silence."""
    async with translated(what):
        response = await client.get(path, params=params, headers=private_headers(actor))
    if response.status_code != 200:
        raise error_of(response, what)
    try:
        return response.json()
    except ValueError as error:
        raise HubError(ErrorKind.UNAVAILABLE, f"{what} answered nonsense", code=f"{what}_unavailable") from error

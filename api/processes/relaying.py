"""The worker's place in the relay: who belongs to this hub, where the others listen, and rooms of other workers.

Wiring, used by `worker`. Workers of this machine find each other by their sockets' names, also while Redis is away;
those of others by what they registered, remembered as long as the process lives.
"""

from api.secrets.cipher import derive_key
from api.settings import Settings
from api.state import State
from media.base.clock import Clock
from media.base.errors import ErrorKind, HubError
from streams.relay.handshake import Credentials
from streams.relay.node import RelayNode
from streams.relay.remote import MakeTrack


class SlotAddresses:
    """Where the relay of a slot listens."""

    def __init__(self, settings: Settings, state: State) -> None:
        """Ask `state` for slots of other machines."""
        self._settings = settings
        self._state = state
        self._known: dict[str, str] = {}

    async def find(self, slot: str) -> str:
        """Return the address; HubError UNAVAILABLE `worker_unavailable` when nobody registered it."""
        node, _, number = slot.rpartition("/")
        if node == self._settings.node and number.isascii() and number.isdigit():
            return f"unix:{self._settings.relay_socket(int(number))}"
        try:
            found = (await self._state.slots()).get(slot)
        except HubError:
            found = None
        if found is not None and found.relay:
            self._known[slot] = found.relay
        address = self._known.get(slot)
        if address is None:
            raise HubError(ErrorKind.UNAVAILABLE, "no such worker", code="worker_unavailable", slot=slot)
        return address


def make_relay(settings: Settings, slot: str, find: SlotAddresses, make_track: MakeTrack, clock: Clock) -> RelayNode:
    """Return the relay of the worker in `slot`; workers of one hub share the key because they share its secret."""
    return RelayNode(Credentials(derive_key(settings.secret, "relay"), slot), find.find, make_track, clock)


def listen_at(settings: Settings, number: int) -> tuple[str, ...]:
    """Return the addresses at which worker `number` serves others."""
    return (f"unix:{settings.relay_socket(number)}",)

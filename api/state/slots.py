"""Worker slots, their leases with a fencing epoch, and which camera sits in which slot.

A slot is `<node>/<number>`. Its lease lives `ttl` and is refreshed by the worker in it; it tells others that the
slot is manned, and carries an epoch that only grows: whatever is written carries the epoch, so a writer that was
replaced can be told apart. A worker restarted by its own supervisor (same `installation`) takes its slot at once; a
stranger waits for the lease to end. The assignment of cameras is sticky; it changes only when a slot is gone for good.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from api.state.door import Door, dump, load, translated
from media.base.errors import ErrorKind, HubError

SLOTS = "xy:slots"
ASSIGNMENT = "xy:assignment"
LEASE_TTL_S = 10.0
LEASE_REFRESH_S = 2.0

_CLAIM = """
local held = redis.call('GET', KEYS[1])
if held and cjson.decode(held).installation ~= ARGV[1] then return -1 end
local epoch = math.max(tonumber(redis.call('GET', KEYS[2]) or '0'), tonumber(ARGV[2])) + 1
redis.call('SET', KEYS[2], epoch)
redis.call('SET', KEYS[1], cjson.encode({installation = ARGV[1], epoch = epoch}), 'PX', ARGV[3])
return epoch
"""
_REFRESH = """
local epoch = tonumber(redis.call('GET', KEYS[2]) or '0')
if epoch > tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[2], ARGV[2])
redis.call('SET', KEYS[1], cjson.encode({installation = ARGV[1], epoch = tonumber(ARGV[2])}), 'PX', ARGV[3])
return 1
"""
_RELEASE = """
local held = redis.call('GET', KEYS[1])
if held and cjson.decode(held).epoch == tonumber(ARGV[1]) then redis.call('DEL', KEYS[1]) end
return 1
"""
_REASSIGN = """
local held = redis.call('HGET', KEYS[1], ARGV[1])
if (held or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
"""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to man a slot, until it is not refreshed for `LEASE_TTL_S`."""

    slot: str
    installation: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotInfo:
    """Where a slot's worker is reached. `workers` is how many slots its node has; higher numbers are retired.

    `socket` is that of its private app, `relay` the address at which it serves other workers.
    """

    slot: str
    node: str
    number: int
    workers: int
    socket: str
    relay: str = ""
    epoch: int = 0
    is_manned: bool = False


class SlotStore(Door):
    """Leases, registered slots and the camera assignment."""

    async def claim_slot(
        self, slot: str, installation: str, *, epoch_floor: int = 0, ttl_s: float = LEASE_TTL_S
    ) -> Lease:
        """Take the lease of `slot` with an epoch above every former one and above `epoch_floor`.

        HubError CONFLICT `slot_taken` when another installation holds it: two nodes carry one name.
        """
        keys = [f"xy:lease:{slot}", f"xy:epoch:{slot}"]
        with translated():
            epoch = await self._redis.eval(_CLAIM, 2, *keys, installation, str(epoch_floor), str(round(ttl_s * 1000)))
        if int(epoch) < 0:
            raise HubError(
                ErrorKind.CONFLICT,
                "another machine uses this node name; set XIANGYUN_NODE",
                code="slot_taken",
                slot=slot,
            )
        return Lease(slot, installation, int(epoch))

    async def refresh_slot(self, lease: Lease, *, ttl_s: float = LEASE_TTL_S) -> bool:
        """Prolong the lease, also after Redis lost it; False when a higher epoch exists: the slot is another's."""
        keys = [f"xy:lease:{lease.slot}", f"xy:epoch:{lease.slot}"]
        with translated():
            kept = await self._redis.eval(
                _REFRESH, 2, *keys, lease.installation, str(lease.epoch), str(round(ttl_s * 1000))
            )
        return bool(kept)

    async def release_slot(self, lease: Lease) -> None:
        """Give the lease back; the registration and the assignment stay."""
        with translated():
            await self._redis.eval(_RELEASE, 1, f"xy:lease:{lease.slot}", str(lease.epoch))

    async def register_slot(self, info: SlotInfo) -> None:
        """Tell where the slot's worker is reached."""
        with translated():
            await self._redis.hset(SLOTS, info.slot, dump(asdict(info)))

    async def forget_slot(self, slot: str) -> None:
        """Strike a retired slot from the register."""
        with translated():
            await self._redis.hdel(SLOTS, slot)

    async def slots(self) -> dict[str, SlotInfo]:
        """Return the registered slots by name, each with its present epoch and whether its lease lives."""
        with translated():
            raw = await self._hash(SLOTS)
            names = list(raw)
            leases = await self._redis.mget([f"xy:lease:{name}" for name in names]) if names else []
        found: dict[str, SlotInfo] = {}
        for name, lease in zip(names, leases, strict=True):
            value, held = load(raw[name]), load(str(lease)) if lease else None
            if value is None:
                continue
            found[name] = SlotInfo(
                slot=name,
                node=str(value.get("node", "")),
                number=int(value.get("number", 0)),
                workers=int(value.get("workers", 1)),
                socket=str(value.get("socket", "")),
                relay=str(value.get("relay", "")),
                epoch=int(held["epoch"]) if held else 0,
                is_manned=held is not None,
            )
        return found

    async def assignments(self) -> dict[str, str]:
        """Return camera id → slot for every assigned camera."""
        with translated():
            return await self._hash(ASSIGNMENT)

    async def assign_camera(self, camera_id: str, slot: str, *, instead_of: str = "") -> bool:
        """Put a camera into `slot` if it still sits in `instead_of` (empty: nowhere); False when another was first."""
        with translated():
            done = await self._redis.eval(_REASSIGN, 1, ASSIGNMENT, camera_id, instead_of, slot)
        return bool(done)

    async def slot_of_camera(self, camera_id: str) -> SlotInfo | None:
        """Return the slot a camera sits in, or None when it sits nowhere yet."""
        with translated():
            name = (await self._fields(ASSIGNMENT, [camera_id])).get(camera_id)
        return (await self.slots()).get(name) if name else None


def place(camera_id: str, slots: Iterable[str]) -> str | None:
    """Return the slot a new camera belongs to: the same answer for every asker, evenly spread (rendezvous hashing)."""
    return max(slots, key=lambda slot: hashlib.blake2b(f"{slot} {camera_id}".encode()).digest(), default=None)

"""Which worker slot a room lives in, for whoever asks without the database. SQL is the truth; this is its copy."""

from collections.abc import Mapping
from typing import Any

from api.state.door import Door, translated

ROOMS = "xy:rooms"


class RoomStore(Door):
    """The hash room → slot."""

    async def room_slots(self) -> dict[str, str]:
        """Return room id → slot."""
        with translated():
            return await self._hash(ROOMS)

    async def put_room_slot(self, room_id: str, slot: str) -> None:
        """Note where a room lives."""
        with translated():
            await self._redis.hset(ROOMS, room_id, slot)

    async def replace_room_slots(self, slots: Mapping[str, str]) -> None:
        """Make the hash exactly `slots`."""
        present = await self.room_slots()
        with translated():
            gone = [room_id for room_id in present if room_id not in slots]
            fresh = {room_id: slot for room_id, slot in slots.items() if present.get(room_id) != slot}
            if gone:
                await self._redis.hdel(ROOMS, *gone)
            if fresh:
                values: dict[Any, Any] = dict(fresh)
                await self._redis.hset(ROOMS, mapping=values)

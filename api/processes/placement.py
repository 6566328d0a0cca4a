"""Which cameras belong to which slot: the rule, without the store.

Pure. Called by every worker with the same facts, so all come to the same moves; the store lets the first one win. A
camera stays where it is as long as its slot exists; a slot that is only down is waited for, because its footage and
its supervisor are there. It moves when its slot was retired or its whole node has been gone for long.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from api.state import SlotInfo
from api.state.slots import place

NODE_GONE_S = 30.0
"""Longer than a restart of the hub or a switch of the network; shorter than what a patrol would call an outage."""


@dataclass(frozen=True, slots=True)
class Move:
    """Put a camera into a slot, out of another (empty: out of none)."""

    camera_id: str
    instead_of: str
    slot: str


def moves(
    camera_ids: Iterable[str], assigned: Mapping[str, str], slots: Mapping[str, SlotInfo], gone_nodes: Collection[str]
) -> list[Move]:
    """Return the moves that give every camera an existing slot on a node that is not gone."""
    usable = sorted(name for name, slot in slots.items() if slot.node not in gone_nodes)
    found: list[Move] = []
    for camera_id in camera_ids:
        present = assigned.get(camera_id, "")
        if present in usable:
            continue
        target = place(camera_id, usable)
        if target is not None:
            found.append(Move(camera_id, present, target))
    return found


class NodeWatch:
    """Notices nodes whose slots have all been unmanned for `NODE_GONE_S`."""

    def __init__(self, own_node: str) -> None:
        """Never call `own_node` gone: whoever asks is alive."""
        self._own_node = own_node
        self._unmanned_since_ns: dict[str, int] = {}

    def gone(self, slots: Mapping[str, SlotInfo], now_mono_ns: int) -> frozenset[str]:
        """Return the nodes that are gone; call it often, it remembers since when each is unmanned."""
        manned = {slot.node for slot in slots.values() if slot.is_manned} | {self._own_node}
        unmanned = {slot.node for slot in slots.values()} - manned
        self._unmanned_since_ns = {node: self._unmanned_since_ns.get(node, now_mono_ns) for node in unmanned}
        return frozenset(
            node for node, since in self._unmanned_since_ns.items() if now_mono_ns - since >= NODE_GONE_S * 1e9
        )

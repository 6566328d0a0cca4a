"""The only door to Redis: desired cameras, slots and leases, camera states, worker events, buckets, messages."""

from api.state.cameras import CameraDesired, RecordingDesired
from api.state.events import EventBatch, WorkerEvent
from api.state.messages import Message
from api.state.slots import Lease, SlotInfo
from api.state.store import State

__all__ = [
    "CameraDesired",
    "EventBatch",
    "Lease",
    "Message",
    "RecordingDesired",
    "SlotInfo",
    "State",
    "WorkerEvent",
]

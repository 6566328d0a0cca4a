"""Verbs: what a person may do to a thing. Looking and taking away are different verbs.

Pure. A permission is a verb on an organisation subtree, or on one camera by a personal grant.
"""

from enum import StrEnum


class Verb(StrEnum):
    """Every verb of the hub; the value is stable and appears in `/auth/me` and in the OpenAPI."""

    LIVE_VIEW = "live.view"
    LIVE_PTZ = "live.ptz"
    REPLAY_VIEW = "replay.view"
    REPLAY_DOWNLOAD = "replay.download"
    EXPORT_APPROVE = "export.approve"
    CAMERA_READ = "camera.read"
    CAMERA_MANAGE = "camera.manage"
    RECORDING_PLAN = "recording.plan"
    STORAGE_READ = "storage.read"
    ORG_READ = "org.read"
    ORG_MANAGE = "org.manage"
    USER_READ = "user.read"
    USER_MANAGE = "user.manage"
    ROOM_JOIN = "room.join"
    ROOM_MANAGE = "room.manage"
    ROOM_RECORD = "room.record"
    AUDIT_READ = "audit.read"
    SYSTEM_MANAGE = "system.manage"


CAMERA_VERBS = frozenset({Verb.CAMERA_READ, Verb.LIVE_VIEW, Verb.LIVE_PTZ, Verb.REPLAY_VIEW, Verb.REPLAY_DOWNLOAD})
"""Verbs that may be granted to one person for one camera."""

PRIVILEGED_VERBS = frozenset({Verb.USER_MANAGE, Verb.AUDIT_READ, Verb.SYSTEM_MANAGE})
"""Verbs that only somebody who holds them may hand out, by role, or touch the accounts of."""

"""Roles: named sets of verbs, held by a user on the subtree of the user's organisation.

Pure. The three administrators (三员) are separate roles; `admin` holds every verb for a box that one person runs.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from api.auth.verbs import Verb
from media.base.errors import ErrorKind, HubError


@dataclass(frozen=True, slots=True)
class Role:
    """A role with its names in both languages."""

    id: str
    name_zh: str
    name_en: str
    verbs: frozenset[Verb]


_LOOK = frozenset({Verb.ORG_READ, Verb.CAMERA_READ, Verb.LIVE_VIEW, Verb.ROOM_JOIN})
_MEET = frozenset({Verb.ROOM_MANAGE, Verb.ROOM_RECORD})
"""Who makes meetings also answers for their records."""

_ALL = (
    Role("admin", "管理员", "Administrator", frozenset(Verb)),
    Role(
        "system-admin",
        "系统管理员",
        "System administrator",
        _LOOK
        | _MEET
        | {Verb.CAMERA_MANAGE, Verb.RECORDING_PLAN, Verb.STORAGE_READ, Verb.ORG_MANAGE, Verb.SYSTEM_MANAGE},
    ),
    Role(
        "security-admin",
        "安全管理员",
        "Security administrator",
        frozenset({Verb.ORG_READ, Verb.CAMERA_READ, Verb.ROOM_JOIN, Verb.USER_READ, Verb.USER_MANAGE}),
    ),
    Role(
        "auditor",
        "审计管理员",
        "Audit administrator",
        frozenset({Verb.ORG_READ, Verb.CAMERA_READ, Verb.ROOM_JOIN, Verb.ROOM_RECORD, Verb.USER_READ, Verb.AUDIT_READ}),
    ),
    Role(
        "operator",
        "乡镇值班员",
        "Township duty officer",
        _LOOK | _MEET | {Verb.LIVE_PTZ, Verb.REPLAY_VIEW, Verb.STORAGE_READ},
    ),
    Role("viewer", "村值守员", "Village watch", _LOOK),
    Role(
        "retriever",
        "录像调阅员",
        "Recording retriever",
        _LOOK | {Verb.REPLAY_VIEW, Verb.REPLAY_DOWNLOAD, Verb.STORAGE_READ},
    ),
    Role("approver", "审批领导", "Approver", _LOOK | {Verb.REPLAY_VIEW, Verb.EXPORT_APPROVE}),
    Role(
        "maintainer",
        "运维人员",
        "Maintenance engineer",
        _LOOK | {Verb.CAMERA_MANAGE, Verb.RECORDING_PLAN, Verb.STORAGE_READ},
    ),
)

ROLES = {role.id: role for role in _ALL}


def verbs_of(role_ids: Iterable[str]) -> frozenset[Verb]:
    """Return the union of the roles' verbs; a role no longer known gives none."""
    return frozenset().union(*(ROLES[role_id].verbs for role_id in role_ids if role_id in ROLES))


def check_roles(role_ids: Iterable[str]) -> tuple[str, ...]:
    """Return the roles sorted and without repetition; HubError INVALID names one that does not exist."""
    wanted = sorted(set(role_ids))
    for role_id in wanted:
        if role_id not in ROLES:
            raise HubError(ErrorKind.INVALID, "no such role", code="unknown_role", role=role_id)
    return tuple(wanted)

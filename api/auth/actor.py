"""Who acts: the person (or the system itself) behind a change, and the audit entry that names them.

Services take an `Actor`; they ask it for permission and write its entries in the transaction of the change itself,
so that neither exists without the other. Action names are stable: `<thing>.<what happened>`.
"""

from dataclasses import dataclass
from typing import Any

from api.auth.principal import ROOT_PATH, Principal
from api.auth.verbs import Verb
from api.db.audit import AuditEntry


@dataclass(frozen=True, slots=True)
class Target:
    """What was acted upon, and where in the organisation tree it lies."""

    kind: str
    id: str
    org_path: str = ROOT_PATH


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who does something, from where. Without a principal it is the system itself, which may do everything."""

    principal: Principal | None = None
    username: str = "system"
    address: str = "local"
    trace_id: str = ""

    @property
    def user_id(self) -> str | None:
        """Return the user's id, None for the system and for somebody not logged in."""
        return self.principal.user_id if self.principal else None

    def check(self, verb: Verb, org_path: str, camera_id: str | None = None) -> None:
        """Raise HubError DENIED unless the actor may do this there."""
        if self.principal is not None:
            self.principal.check(verb, org_path, camera_id)

    def check_known(self, read: Verb, org_path: str, camera_id: str | None = None, *, code: str) -> None:
        """Raise HubError NOT_FOUND with `code` when the actor may not even read what lies there."""
        if self.principal is not None:
            self.principal.check_known(read, org_path, camera_id, code=code)

    def entry(self, at_us: int, action: str, target: Target, *, outcome: str = "ok", **details: Any) -> AuditEntry:
        """Return the audit entry of an action; details must be JSON values and hold no secret."""
        return AuditEntry(
            at_us=at_us,
            user_id=self.user_id,
            username=self.principal.username if self.principal else self.username,
            address=self.address[:64],
            action=action,
            target_kind=target.kind,
            target_id=target.id[:64],
            org_path=target.org_path,
            outcome=outcome,
            details=details,
            trace_id=self.trace_id[:40],
        )


SYSTEM = Actor()

"""The person behind a request, and the one place that decides "may this person do that there".

Pure values made by `services.principals` from the database. An organisation is addressed by its path
`/county/township/village/`; a subtree is a prefix; the whole system is `/`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from api.auth.verbs import Verb
from media.base.errors import ErrorKind, HubError

ROOT_PATH = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A user with verbs on a subtree, and extra verbs on single cameras."""

    user_id: str
    username: str
    display_name: str
    session_id: str
    org_id: str | None
    org_path: str
    roles: tuple[str, ...]
    verbs: frozenset[Verb]
    locale: str
    camera_grants: Mapping[str, frozenset[Verb]] = field(default_factory=dict)

    @property
    def is_everywhere(self) -> bool:
        """Tell whether the subtree is the whole system."""
        return self.org_path == ROOT_PATH

    def may(self, verb: Verb, org_path: str, camera_id: str | None = None) -> bool:
        """Tell whether `verb` is allowed at `org_path`, or on the camera by a personal grant."""
        if verb in self.verbs and org_path.startswith(self.org_path):
            return True
        return camera_id is not None and verb in self.camera_grants.get(camera_id, frozenset())

    def may_somewhere(self, verb: Verb) -> bool:
        """Tell whether `verb` is held anywhere at all."""
        return verb in self.verbs or any(verb in verbs for verbs in self.camera_grants.values())

    def check(self, verb: Verb, org_path: str, camera_id: str | None = None) -> None:
        """Raise HubError DENIED unless `may`."""
        if not self.may(verb, org_path, camera_id):
            raise HubError(ErrorKind.DENIED, "not allowed here", code="denied", verb=verb.value)

    def check_known(self, read: Verb, org_path: str, camera_id: str | None = None, *, code: str) -> None:
        """Raise HubError NOT_FOUND with `code` when one may not even read what lies there: for one it does not exist."""
        if not self.may(read, org_path, camera_id):
            raise HubError(ErrorKind.NOT_FOUND, "no such thing here", code=code)

    def cameras_granted(self, verb: Verb) -> frozenset[str]:
        """Return the cameras on which `verb` is held by personal grant."""
        return frozenset(camera_id for camera_id, verbs in self.camera_grants.items() if verb in verbs)

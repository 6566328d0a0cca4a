"""The rights to view single cameras that the api handed in with subscriptions.

Used by `session` and `requests` on the worker's loop. Every grant is in the api's books as a running view. The api
sees by the answers what a page began and ended; what ends otherwise is told here, each once.
"""

from collections.abc import Callable

from media.base.ids import SourceId
from streams.session.identity import Grant

OWN_WISH = frozenset({"unsubscribed", "refused"})
"""Ends the api has seen in an answer."""

Tell = Callable[[SourceId, str, int], None]


class Grants:
    """The grants of one session, one for each camera."""

    def __init__(self, tell: Tell) -> None:
        """Begin with none; `tell(source, reason, bytes_sent)` reaches the api."""
        self._tell = tell
        self._held: dict[SourceId, Grant] = {}

    def __contains__(self, source: object) -> bool:
        """Tell whether a camera may be viewed."""
        return source in self._held

    def get(self, source: SourceId) -> Grant | None:
        """Return the grant of a camera, or None."""
        return self._held.get(source)

    def all(self) -> tuple[Grant, ...]:
        """Return what is held."""
        return tuple(self._held.values())

    def take(self, grant: Grant) -> None:
        """Hold a grant, in place of an older one of the same camera: the view goes on."""
        self._held[grant.source] = grant

    def end(self, source: SourceId, reason: str, bytes_sent: int = 0) -> None:
        """Hold the grant of a camera no more, if there is one."""
        if self._held.pop(source, None) is not None and reason not in OWN_WISH:
            self._tell(source, reason, bytes_sent)

    def end_all(self, reason: str) -> None:
        """Hold nothing more."""
        for source in tuple(self._held):
            self.end(source, reason)

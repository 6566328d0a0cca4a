"""Hears a peer connection only as long as it is the one of now.

Pure. A connection that was replaced still says that it ended, or which layer it wanted; its session must not take that
for the new one's word.
"""

from collections.abc import Callable
from typing import ParamSpec

P = ParamSpec("P")


class Ear:
    """Open from the beginning until `close`."""

    def __init__(self) -> None:
        """Begin open."""
        self._is_open = True

    def of(self, tell: Callable[P, None]) -> Callable[P, None]:
        """Return `tell` as long as the ear is open, and nothing afterwards."""

        def heard(*args: P.args, **kwargs: P.kwargs) -> None:
            if self._is_open:
                tell(*args, **kwargs)

        return heard

    def close(self) -> None:
        """Hear nothing any more."""
        self._is_open = False

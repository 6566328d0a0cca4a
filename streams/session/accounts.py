"""What one account may have on this worker at once: sessions and videos.

Pure bookkeeping, shared by all sessions of a worker. Counts of accounts that have nothing are not kept.
"""

from collections import Counter

from media.base.errors import ErrorKind, HubError

MAX_SESSIONS = 2000
"""Of all accounts; a session costs about 100 KiB without its peers."""

MAX_SESSIONS_OF_ACCOUNT = 16
MAX_VIDEOS_OF_ACCOUNT = 64


class Accounts:
    """The counts of one worker."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._sessions: Counter[str] = Counter()
        self._videos: Counter[str] = Counter()

    def open_session(self, account: str) -> None:
        """Count a session; HubError EXHAUSTED `too_many_sessions` when there is no place for it."""
        if self._sessions.total() >= MAX_SESSIONS:
            raise HubError(ErrorKind.EXHAUSTED, "this worker has too many sessions", code="too_many_sessions")
        if self._sessions[account] >= MAX_SESSIONS_OF_ACCOUNT:
            raise HubError(ErrorKind.EXHAUSTED, "this account has too many sessions", code="too_many_sessions")
        self._sessions[account] += 1

    def close_session(self, account: str) -> None:
        """Count one less."""
        _less(self._sessions, account)

    def open_video(self, account: str) -> None:
        """Count a video; HubError EXHAUSTED `too_many_subscriptions`."""
        if self._videos[account] >= MAX_VIDEOS_OF_ACCOUNT:
            raise HubError(ErrorKind.EXHAUSTED, "this account watches too much", code="too_many_subscriptions")
        self._videos[account] += 1

    def close_video(self, account: str) -> None:
        """Count one less."""
        _less(self._videos, account)

    def videos(self, account: str) -> int:
        """Return how many videos an account watches."""
        return self._videos[account]


def _less(counts: Counter[str], account: str) -> None:
    counts[account] -= 1
    if counts[account] <= 0:
        del counts[account]

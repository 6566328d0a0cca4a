"""Passwords: argon2id hashes and the rule for new ones.

Hashing takes tens of milliseconds of one core, so it runs in a named executor of its own; at most two at a time, so
that a flood of log-ins cannot starve the machine. Called by `services.login` and `services.users`.
"""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from media.base.errors import ErrorKind, HubError

MIN_LENGTH = 8
MAX_LENGTH = 256
LONG_ENOUGH = 12
"""From this length on a pass phrase of one character class is accepted."""

_CLASSES = tuple(re.compile(pattern) for pattern in (r"[a-z]", r"[A-Z]", r"[0-9]", r"[^a-zA-Z0-9]"))
_TOO_KNOWN = frozenset(
    {"password", "password1", "passw0rd", "p@ssw0rd", "admin123", "admin1234", "qwer1234", "abc12345", "a1234567"}
)


def check_new_password(password: str, username: str) -> None:
    """Refuse a weak password (HubError INVALID `weak_password`): short, one class only, well known, or the name."""
    lowered = password.casefold()
    classes = sum(1 for pattern in _CLASSES if pattern.search(password))
    is_weak = (
        not MIN_LENGTH <= len(password) <= MAX_LENGTH
        or (classes < 2 and len(password) < LONG_ENOUGH)
        or len(set(password)) < 4
        or lowered in _TOO_KNOWN
        or lowered == username.casefold()
    )
    if is_weak:
        raise HubError(ErrorKind.INVALID, "the password is too weak", code="weak_password")


class Passwords:
    """Hashes and verifies off the event loop."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """Use `hasher`, or argon2id with the library's (RFC 9106 low-memory) parameters."""
        self._hasher = hasher or PasswordHasher()
        self._executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="passwords")
        self._decoy: str | None = None

    async def hash(self, password: str) -> str:
        """Return the argon2id hash of `password`."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._hasher.hash, password)

    async def verify(self, password: str, hashed: str | None) -> bool:
        """Tell whether `password` made `hashed`; with None spend the same time and return False."""
        if hashed is None:
            if self._decoy is None:
                self._decoy = await self.hash("nobody has this password")
            await asyncio.get_running_loop().run_in_executor(self._executor, self._verify, self._decoy, password)
            return False
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._verify, hashed, password)

    def _verify(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerifyMismatchError, VerificationError, InvalidHashError):
            return False

    def close(self) -> None:
        """Let the executor's threads go."""
        self._executor.shutdown(wait=False, cancel_futures=True)

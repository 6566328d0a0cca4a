"""The closed set of error kinds, and the few exception types that carry them.

Raised everywhere, mapped to HTTP in exactly one place (`api.http.errors`). Foreign exceptions are translated at the
engine's door. Errors mean bad input or a bad world; a broken invariant is an `assert`, never one of these.
"""

from enum import StrEnum


class ErrorKind(StrEnum):
    """What went wrong, in as many words as a caller can act on."""

    INVALID = "invalid"
    NOT_FOUND = "not_found"
    UNAUTHENTICATED = "unauthenticated"
    DENIED = "denied"
    CONFLICT = "conflict"
    UNAVAILABLE = "unavailable"
    EXHAUSTED = "exhausted"
    TIMEOUT = "timeout"
    DATA_LOSS = "data_loss"
    INTERNAL = "internal"


class HubError(Exception):
    """An error with a kind, a stable `code`, a sentence, and the context that lets a person find the packet.

    `code` is snake_case and stable (clients match on it); it defaults to the kind. `context` holds values such as
    camera, ssrc, seq, offset; it is logged, never a secret, and only whitelisted keys reach a client.
    """

    def __init__(self, kind: ErrorKind, message: str, *, code: str | None = None, **context: object) -> None:
        """Remember kind, message, code and context."""
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.code = code or kind.value
        self.context = context

    def __str__(self) -> str:
        """Return the sentence followed by its context."""
        if not self.context:
            return self.message
        return f"{self.message} ({', '.join(f'{k}={v}' for k, v in self.context.items())})"


class ProtocolError(HubError):
    """Bytes that break a protocol. State is unchanged after it is raised."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol."""

    def __init__(self, message: str, *, code: str = "protocol_error", **context: object) -> None:
        """Kind is INVALID: the bytes came from outside."""
        super().__init__(ErrorKind.INVALID, message, code=code, **context)


class LocalProtocolError(ProtocolError):
    """We would break the protocol: a bug or a call in the wrong state."""

    def __init__(self, message: str, *, code: str = "wrong_state", **context: object) -> None:
        """Kind is CONFLICT: the call does not fit the state."""
        super().__init__(ErrorKind.CONFLICT, message, code=code, **context)

"""Who a session belongs to, in the words of the api, and the reading of these words.

Pure; read by `app` from the first frame of a socket. The worker trusts what stands here: its socket is open to the api
alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from media.base.errors import ErrorKind, HubError
from media.base.ids import CameraId, SourceId, camera_source, is_id
from streams.rooms.seat import SeatClaims


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A session and its person; `seat` is None on a wall."""

    session_id: str
    user_id: str
    display_name: str = ""
    client: str = ""
    seat: SeatClaims | None = None

    @property
    def account(self) -> str:
        """Return whose limits count: guests count by seat."""
        return self.user_id or f"guest/{self.seat.participant_id if self.seat is not None else self.session_id}"

    @property
    def own_source(self) -> SourceId | None:
        """Return what this session publishes, None on a wall."""
        return SourceId(f"participant/{self.seat.participant_id}") if self.seat is not None else None


@dataclass(frozen=True, slots=True)
class Grant:
    """The right to view one camera, which is in the books already; the camera lives on the worker in `slot`."""

    source: SourceId
    slot: str


def _bad(message: str) -> HubError:
    return HubError(ErrorKind.INVALID, message, code="bad_message")


def _text(body: Mapping[str, Any], name: str, limit: int = 200) -> str:
    value = body.get(name)
    return value[:limit] if isinstance(value, str) else ""


def read_identity(body: Any) -> tuple[Identity, bool]:
    """Return who opens and whether it is a resumption; HubError INVALID when that cannot be read."""
    if not isinstance(body, Mapping):
        raise _bad("open holds an object")
    session_id = _text(body, "session_id")
    if not is_id(session_id):
        raise _bad("no session id")
    seat = body.get("seat")
    if seat is not None and not isinstance(seat, Mapping):
        raise _bad("a seat is an object")
    identity = Identity(
        session_id=session_id,
        user_id=_text(body, "user_id"),
        display_name=_text(body, "display_name"),
        client=_text(body, "client"),
        seat=SeatClaims.parse(seat) if seat is not None else None,
    )
    return identity, body.get("is_resume") is True


def read_grant(body: Any) -> Grant | None:
    """Return a grant, None when there is none; HubError INVALID when it cannot be read."""
    if body is None:
        return None
    if not isinstance(body, Mapping):
        raise _bad("a grant is an object")
    kind, _, camera_id = _text(body, "source").partition("/")
    if kind != "camera" or not is_id(camera_id):
        raise _bad("a grant names its camera")
    return Grant(camera_source(CameraId(camera_id)), _text(body, "slot"))

"""Endpoints, calls, and the people one may ring, over HTTP."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, StringConstraints, model_validator

from api.db.calls import CallRow, EndpointRow
from api.schemas.base import Id, Input, Output, moment, moment_or_none
from api.schemas.rooms import Joined, RoomName
from api.services.calls import NewCall
from api.services.endpoints import NewEndpoint
from api.services.people import Person

EndpointKind = Literal["room", "phone", "kiosk"]
Search = Annotated[str, StringConstraints(max_length=100), AfterValidator(str.strip)]


class EndpointCreate(Input):
    """A new endpoint."""

    id: Id | None = None
    name: RoomName
    org_id: Id | None = None
    kind: EndpointKind = "room"
    user_id: Id
    auto_answer: bool = False

    def made(self) -> NewEndpoint:
        """Return it as services know it."""
        return NewEndpoint(
            id=self.id, name=self.name, org_id=self.org_id, kind=self.kind, user_id=self.user_id,
            auto_answer=self.auto_answer,
        )  # fmt: skip


class EndpointPatch(Input):
    """What may be changed."""

    name: RoomName | None = None
    kind: EndpointKind | None = None
    user_id: Id | None = None
    auto_answer: bool | None = None

    def values(self) -> dict[str, Any]:
        """Return the columns to set."""
        return {key: value for key, value in self.model_dump(exclude_unset=True).items() if value is not None}


class Endpoint(Output):
    """An endpoint."""

    id: str
    name: str
    org_id: str | None
    kind: str
    user_id: str
    auto_answer: bool
    created_at: str


class EndpointPage(Output):
    """Endpoints."""

    items: list[Endpoint]
    next_cursor: str | None


class CallCreate(Input):
    """Whom to ring."""

    user_id: Id | None = None
    endpoint_id: Id | None = None
    audio_only: bool = False

    @model_validator(mode="after")
    def _one_of_both(self) -> "CallCreate":
        if (self.user_id is None) == (self.endpoint_id is None):
            raise ValueError("a call goes to a user_id or an endpoint_id")
        return self

    def made(self) -> NewCall:
        """Return it as services know it."""
        return NewCall(user_id=self.user_id, endpoint_id=self.endpoint_id, audio_only=self.audio_only)


class Call(Output):
    """A call; `join` leads into its room, for who has just rung or accepted."""

    id: str
    room_id: str
    state: Literal["ringing", "talking", "ended"]
    reason: str | None
    from_user_id: str
    from_name: str
    to_user_id: str
    to_name: str
    endpoint_id: str | None
    audio_only: bool
    auto_answer: bool
    created_at: str
    rings_until: str
    answered_at: str | None
    ended_at: str | None
    join: Joined | None = None


class CallPage(Output):
    """Calls, the newest first."""

    items: list[Call]
    next_cursor: str | None


class PersonOut(Output):
    """Somebody one may ring or invite."""

    id: str
    display_name: str
    org_id: str | None
    org_name: str


class PersonPage(Output):
    """People."""

    items: list[PersonOut]
    next_cursor: str | None


def endpoint_out(row: EndpointRow) -> Endpoint:
    """Return an endpoint as answered."""
    return Endpoint(
        id=row.id, name=row.name, org_id=row.org_id, kind=row.kind, user_id=row.user_id, auto_answer=row.auto_answer,
        created_at=moment(row.created_us),
    )  # fmt: skip


def call_out(row: CallRow, join: Joined | None = None) -> Call:
    """Return a call as answered."""
    return Call(
        id=row.id, room_id=row.room_id, state=row.state, reason=row.reason,  # type: ignore[arg-type]
        from_user_id=row.from_user_id, from_name=row.from_name, to_user_id=row.to_user_id, to_name=row.to_name,
        endpoint_id=row.endpoint_id, audio_only=row.audio_only, auto_answer=row.auto_answer,
        created_at=moment(row.created_us), rings_until=moment(row.deadline_us),
        answered_at=moment_or_none(row.answered_us), ended_at=moment_or_none(row.ended_us), join=join,
    )  # fmt: skip


def person_out(person: Person) -> PersonOut:
    """Return a person as answered."""
    return PersonOut(
        id=person.user_id, display_name=person.display_name, org_id=person.org_id, org_name=person.org_name
    )

"""The worker's private routes of rooms, mounted by the wiring into its private app.

Reached only over the worker's unix socket by the control plane, which has authenticated, authorised and audited. What
somebody does in a room is judged again here, by the room's state. Errors are `HubError`s, mapped by the app they are
mounted in.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response
from pydantic import BaseModel, ConfigDict

from media.base.clock import rfc3339
from media.base.ids import check_id
from streams.rooms import shapes
from streams.rooms.attendance import Attendance
from streams.rooms.commands import SYSTEM, Action
from streams.rooms.directory import RoomDirectory
from streams.rooms.journal import READ_LIMIT
from streams.rooms.refusals import Code, error_of
from streams.rooms.room import Room
from streams.rooms.seating import camera_seat


class CommandBody(BaseModel):
    """What somebody does; the fields of the action stand beside."""

    model_config = ConfigDict(extra="allow")
    by: str
    action: str


class CameraBody(BaseModel):
    """Who shows a camera, under which name, and where it lives."""

    model_config = ConfigDict(extra="forbid")
    by: str = SYSTEM
    name: str
    slot: str = ""


class EndBody(BaseModel):
    """Who ends it."""

    model_config = ConfigDict(extra="forbid")
    by: str = SYSTEM


def attendance_json(attendance: Attendance, now_us: int) -> dict[str, Any]:
    """Return the list as the record has it."""
    return {
        "most_heads": attendance.most_heads,
        "items": [
            {
                "participant_id": attendee.seat.id,
                "name": attendee.seat.name,
                "venue": attendee.seat.venue,
                "kind": attendee.seat.kind.value,
                "role": attendee.seat.role.value,
                "user_id": attendee.seat.user_id or None,
                "org_name": attendee.seat.org_name or None,
                "head_count": attendee.head_count_most,
                "late_minutes": attendee.late_minutes,
                "present_s": attendee.present_us(now_us) // 1_000_000,
                "stays": [
                    {
                        "joined_at": rfc3339(stay.start_us),
                        "left_at": None if stay.end_us is None else rfc3339(stay.end_us),
                        "gaps": [
                            {"from": rfc3339(since), "to": None if till is None else rfc3339(till)}
                            for since, till in stay.gaps
                        ],
                    }
                    for stay in attendee.stays
                ],
            }
            for attendee in attendance.attendees.values()
        ],
    }


def make_router(directory: RoomDirectory) -> APIRouter:
    """Return the routes of one directory."""
    router = APIRouter()
    _add_reading(router, directory)
    _add_acting(router, directory)
    return router


def _add_reading(router: APIRouter, directory: RoomDirectory) -> None:
    @router.get("/rooms")
    async def rooms() -> dict[str, Any]:
        return {"slot": directory.slot, "items": [room.figures() for room in directory.rooms.values()]}

    @router.get("/rooms/{room_id}")
    async def room(room_id: str) -> dict[str, Any]:
        found = directory.find(check_id(room_id))
        state = found.state
        seats = [found.snapshot(seat_id)["participant"] for seat_id in state.seats] if isinstance(found, Room) else []
        return {
            "room": shapes.room(state),
            "participants": seats,
            "roll_calls": [shapes.roll_call(roll) for roll in (*state.past_roll_calls, state.roll_call)],
            "attendance": attendance_json(found.attendance, state.ended_us or directory.now_us()),
            "ended_at": None if state.ended_us is None else rfc3339(state.ended_us),
        }

    @router.get("/rooms/{room_id}/events")
    async def events(
        room_id: str,
        since: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=READ_LIMIT)] = READ_LIMIT,
    ) -> dict[str, Any]:
        found = directory.find(check_id(room_id))
        items = await found.journal.read(since, limit)
        return {"items": items, "seq": found.state.version, "phase": found.state.phase.value}


def _add_acting(router: APIRouter, directory: RoomDirectory) -> None:
    @router.put("/rooms/{room_id}")
    async def put(room_id: str, config: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        room = await directory.put(check_id(room_id), config)
        return {"room": shapes.room(room.state)}

    @router.delete("/rooms/{room_id}", status_code=204)
    async def delete(room_id: str) -> Response:
        await directory.delete(check_id(room_id))
        return Response(status_code=204)

    @router.post("/rooms/{room_id}/commands")
    async def act(room_id: str, body: CommandBody) -> dict[str, Any]:
        if body.action in {Action.SHOW_CAMERA, Action.HIDE_CAMERA}:
            raise error_of(Code.BAD_MESSAGE, "cameras have their own route")
        return await directory.room(check_id(room_id)).act(body.action, body.by, body.model_extra or {})

    @router.post("/rooms/{room_id}/cameras/{camera_id}")
    async def show(room_id: str, camera_id: str, body: CameraBody) -> dict[str, Any]:
        fields = {"camera_id": check_id(camera_id), "name": body.name, "slot": body.slot}
        await directory.room(check_id(room_id)).act(Action.SHOW_CAMERA, body.by, fields)
        return {"participant_id": camera_seat(camera_id)}

    @router.delete("/rooms/{room_id}/cameras/{camera_id}", status_code=204)
    async def hide(room_id: str, camera_id: str, by: Annotated[str, Query()] = SYSTEM) -> Response:
        target = {"target": camera_seat(check_id(camera_id))}
        await directory.room(check_id(room_id)).act(Action.HIDE_CAMERA, by, target)
        return Response(status_code=204)

    @router.post("/rooms/{room_id}/end", status_code=204)
    async def end(room_id: str, body: EndBody) -> Response:
        await directory.room(check_id(room_id)).act(Action.END, body.by, {})
        return Response(status_code=204)

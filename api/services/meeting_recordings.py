"""What was recorded of a meeting: the tracks of a room, found by the names their footage must have.

Nothing is noted while a meeting is recorded. Footage is named after room, person and part (`recorder.meetings`), the
seats and cameras of the room are in the database, and the replay process knows what there is under those names.
Cameras that record themselves are referred to for the time they were shown and recorded. Called by routes and by
`services.meeting_playback`.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from api.auth.actor import Actor
from api.auth.principal import Principal
from api.auth.verbs import Verb
from api.context import ApiContext
from api.db import room_history, seats
from api.db.engine import Connection
from api.db.room_history import EventRow, RoomCameraRow
from api.db.rooms import RoomRow
from api.db.seats import SeatRow
from api.forward.private_apps import error_of, private_headers, translated
from api.services import room_journal, rooms
from api.services.ranges import DAY_US
from api.services.room_access import CHAIR, RoomView, check_known, may_read_record, role_of
from media.base.errors import ErrorKind, HubError
from media.base.ids import SourceId
from media.packet import Codec
from recorder.meetings import Part, footage_of
from streams.rooms.seating import camera_seat

LONGEST_US = 400 * DAY_US
"""Of a room that is open for years, its last 400 days are looked at."""
NOT_PLAYED = frozenset({Codec.VP8.value})
"""No browser plays VP8 out of an MP4 file; whoever may take footage away can play it with other software."""

TrackKind = Literal["camera", "microphone", "screen", "video"]
_PARTS: dict[TrackKind, Part] = {"camera": Part.CAMERA, "microphone": Part.SOUND, "screen": Part.SCREEN}
_RECORDING_KINDS = ("open", "record_start", "record_stop", "end")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A track there may be: whose it is, what its footage is called, and within which time it belongs to the room."""

    id: str
    footage_id: str
    participant_id: str
    name: str
    venue: str
    track: TrackKind
    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTrack:
    """A track there is."""

    id: str
    participant_id: str
    name: str
    venue: str
    track: TrackKind
    codec: str
    is_playable: bool
    spans: tuple[tuple[int, int], ...]
    gaps: tuple[tuple[int, int, str], ...]


@dataclass(frozen=True, slots=True)
class MeetingRecording:
    """All tracks of a room."""

    start_us: int | None
    end_us: int | None
    tracks: tuple[RecordedTrack, ...]


def may_replay(view: RoomView, principal: Principal, verb: Verb = Verb.REPLAY_VIEW) -> bool:
    """Tell whether the principal may look at what was recorded of a room, or take it away.

    Looking: who leads the meeting, and members who hold `replay.view` where it belongs. Taking away needs its verb.
    """
    role, path = role_of(view, principal), view.room.org_path
    if role is None or not (role == CHAIR or principal.may(Verb.REPLAY_VIEW, path)):
        return False
    return verb is Verb.REPLAY_VIEW or principal.may(verb, path)


async def read(ctx: ApiContext, actor: Actor, room_id: str) -> MeetingRecording:
    """Return what was recorded; HubError NOT_FOUND `unknown_room` or DENIED for who may neither look nor read."""
    assert actor.principal is not None
    view = await rooms.find(ctx, room_id)
    check_known(view, actor.principal)
    if not (may_replay(view, actor.principal) or may_read_record(view, actor.principal)):
        raise HubError(ErrorKind.DENIED, "not yours to look at", code="denied", verb=Verb.REPLAY_VIEW.value)
    await room_journal.try_copy(ctx, room_id, actor)
    async with ctx.db.read() as connection:
        found = await candidates(connection, view.room, ctx.clock.wall_us())
    return recording_of(found, await _summaries(ctx, actor, found))


async def candidates(connection: Connection, room: RoomRow, now_us: int) -> tuple[Candidate, ...]:
    """Return every track the room may have."""
    end_us = max(now_us if room.ended_us is None else room.ended_us, room.created_us + 1)
    bounds = (max(room.created_us, end_us - LONGEST_US), end_us)
    events = await room_history.events_of(connection, room.id, _RECORDING_KINDS)
    found = [
        candidate for seat in await seats.seats_of(connection, room.id) for candidate in _of_seat(room.id, seat, bounds)
    ]
    periods = recording_periods(events, end_us)
    for shown in await room_history.cameras_of(connection, room.id):
        found += _of_camera(room.id, shown, periods, bounds)
    return tuple(found)


def _of_seat(room_id: str, seat: SeatRow, bounds: tuple[int, int]) -> list[Candidate]:
    source = SourceId(f"participant/{seat.participant_id}")
    return [
        Candidate(
            id=(name := footage_of(room_id, source, part)), footage_id=name, participant_id=seat.participant_id,
            name=seat.display_name, venue=seat.venue, track=track, start_us=bounds[0], end_us=bounds[1],
        )
        for track, part in _PARTS.items()
    ]  # fmt: skip


def recording_periods(events: Iterable[EventRow], end_us: int) -> list[tuple[int, int]]:
    """Return when the room was recorded, as its journal tells; a recording that goes on ends at `end_us`."""
    periods: list[tuple[int, int]] = []
    since_us: int | None = None
    for event in events:
        is_on = event.kind == "record_start" or (event.kind == "open" and _is_recorded_from_the_start(event))
        if is_on and since_us is None:
            since_us = event.at_us
        elif not is_on and since_us is not None and event.kind != "open":
            periods.append((since_us, event.at_us))
            since_us = None
    if since_us is not None:
        periods.append((since_us, end_us))
    return [period for period in periods if period[1] > period[0]]


def _is_recorded_from_the_start(event: EventRow) -> bool:
    try:
        data = json.loads(event.data).get("data")
    except (ValueError, AttributeError):
        return False
    return isinstance(data, dict) and data.get("record") is True


def _of_camera(
    room_id: str, shown: RoomCameraRow, periods: Sequence[tuple[int, int]], bounds: tuple[int, int]
) -> list[Candidate]:
    """Return the camera's own footage while it was shown and recorded, and what was taken for the room besides."""
    found: list[Candidate] = []
    source = SourceId(f"camera/{shown.camera_id}")
    for period in periods:
        first = max(shown.started_us, period[0], bounds[0])
        last = min(bounds[1] if shown.ended_us is None else shown.ended_us, period[1])
        if last <= first:
            continue
        own = footage_of(f"{room_id} {shown.id} {first}", source, Part.VIDEO)
        taken = footage_of(room_id, source, Part.VIDEO)
        also = footage_of(f"{room_id} {shown.id} {first} taken", source, Part.VIDEO)
        found += [
            Candidate(
                id=track_id, footage_id=footage_id, participant_id=camera_seat(shown.camera_id),
                name=shown.camera_name, venue="", track="video", start_us=first, end_us=last,
            )
            for track_id, footage_id in ((own, shown.camera_id), (also, taken))
        ]  # fmt: skip
    return found


async def _summaries(ctx: ApiContext, actor: Actor, found: Sequence[Candidate]) -> list[dict[str, Any]]:
    pieces = [{"camera_id": each.footage_id, "start_us": each.start_us, "end_us": each.end_us} for each in found]
    if not pieces:
        return []
    async with translated("replay"):
        response = await ctx.replay.post("/summaries", json={"pieces": pieces}, headers=private_headers(actor))
    if response.status_code != 200:
        raise error_of(response, "replay")
    body = response.json()
    if not isinstance(body, list) or len(body) != len(pieces):
        raise HubError(ErrorKind.UNAVAILABLE, "replay answered nonsense", code="replay_unavailable")
    return body


def recording_of(found: Sequence[Candidate], summaries: Sequence[dict[str, Any]]) -> MeetingRecording:
    """Return the recording that candidates and what there is of each make; gaps within the whole only. Pure."""
    with_footage = [(each, told) for each, told in zip(found, summaries, strict=True) if told["spans"]]
    if not with_footage:
        return MeetingRecording(None, None, ())
    start_us = min(span[0] for _, told in with_footage for span in told["spans"])
    end_us = max(span[1] for _, told in with_footage for span in told["spans"])
    tracks = tuple(_track(each, told, start_us, end_us) for each, told in with_footage)
    return MeetingRecording(start_us, end_us, tracks)


def _track(each: Candidate, told: dict[str, Any], start_us: int, end_us: int) -> RecordedTrack:
    codecs = told["codecs"]
    gaps = ((max(gap[0], start_us), min(gap[1], end_us), str(gap[2])) for gap in told["gaps"])
    return RecordedTrack(
        id=each.id, participant_id=each.participant_id, name=each.name, venue=each.venue, track=each.track,
        codec=codecs[-1] if codecs else "", is_playable=bool(codecs) and not NOT_PLAYED & set(codecs),
        spans=tuple((span[0], span[1]) for span in told["spans"]), gaps=tuple(gap for gap in gaps if gap[1] > gap[0]),
    )  # fmt: skip

"""Looking at the recording of a meeting: as with cameras, the reason first, then a grant, then bytes under it.

A grant for a room opens the tracks of that room and no other footage; a camera that was shown there is opened for the
time it was shown and recorded. The rights are asked anew with every request. Called by `routes.meeting_recordings`,
`routes.playback` and the sweeper.
"""

from collections.abc import Collection
from dataclasses import dataclass

from api.auth.actor import Actor
from api.auth.principal import Principal
from api.auth.verbs import Verb
from api.context import ApiContext
from api.db import audit, playback, rooms
from api.services.meeting_recordings import Candidate, candidates, may_replay
from api.services.playback import (
    Footage,
    Granted,
    GrantTerms,
    GrantUse,
    check_reason,
    grant_invalid,
    new_grant,
    register_entry,
    standing,
    take_room,
)
from api.services.ranges import TimeRange
from api.services.room_access import RoomView, check_known
from api.services.rooms import existing, find, target_of
from media.base.errors import ErrorKind, HubError


@dataclass(frozen=True, slots=True)
class TrackUse:
    """A room's grant presented for one track; `window` is when the track belongs to the room."""

    use: GrantUse
    track: Candidate
    window: TimeRange


async def grant(ctx: ApiContext, actor: Actor, room_id: str, terms: GrantTerms) -> Granted:
    """Register the reason and return a grant for a room; HubError DENIED, or NOT_FOUND for an unknown room."""
    me = check_reason(actor, terms)
    view = await find(ctx, room_id)
    check_known(view, me)
    _check(view, me, Verb.REPLAY_VIEW)
    verbs = frozenset(verb for verb in terms.verbs if may_replay(view, me, verb))
    row, token = new_grant(ctx, me, terms, verbs, room_id)
    people = await _people(ctx, view)
    async with ctx.db.write() as connection:
        await take_room(connection, me, row.created_us)
        await playback.add(connection, row, ())
        await audit.append(connection, register_entry(actor, row, target_of(view.room), participants=people))
    return Granted(row.id, token, row.expires_us)


async def _people(ctx: ApiContext, view: RoomView) -> list[str]:
    """Return the names of who was there, for the register."""
    async with ctx.db.read() as connection:
        found = await candidates(connection, view.room, ctx.clock.wall_us())
    return list(dict.fromkeys(f"{each.name}（{each.venue}）" if each.venue else each.name for each in found))[:100]


def _check(view: RoomView, principal: Principal, verb: Verb) -> None:
    if not may_replay(view, principal, verb):
        raise HubError(ErrorKind.DENIED, "not allowed", code="denied", verb=verb.value)


async def present(ctx: ApiContext, token: str, room_id: str, track_id: str, verb: Verb) -> TrackUse:
    """Return the use of a grant for a track of a room.

    HubError DENIED `grant_invalid`, or `denied` when the verb is not held; NOT_FOUND `unknown_track`.
    """
    row, principal = await standing(ctx, token)
    if row.room_id != room_id:
        raise grant_invalid()
    if verb.value not in row.verbs.split(" "):
        raise HubError(ErrorKind.DENIED, "the grant is not for this", code="denied", verb=verb.value)
    async with ctx.db.read() as connection:
        view = await existing(connection, room_id)
        _check(view, principal, verb)
        found = await candidates(connection, view.room, ctx.clock.wall_us())
    track = next((each for each in found if each.id == track_id), None)
    if track is None:
        raise HubError(ErrorKind.NOT_FOUND, "no such track in this room", code="unknown_track")
    details = {"room": room_id, "participant": track.participant_id, "name": track.name, "track": track.track}
    footage = Footage(track.id, view.room.org_path, room_id, details)
    return TrackUse(GrantUse(row, principal, footage), track, TimeRange(track.start_us, track.end_us))


def within(window: TimeRange, span: TimeRange) -> TimeRange:
    """Return the part of `span` in which a track belongs to its room; HubError NOT_FOUND `no_footage`."""
    first, last = max(span.start_us, window.start_us), min(span.end_us, window.end_us)
    if last <= first:
        raise HubError(ErrorKind.NOT_FOUND, "nothing was recorded in this range", code="no_footage")
    return TimeRange(first, last)


async def rooms_of(ctx: ApiContext, room_ids: Collection[str]) -> dict[str, RoomView]:
    """Return the rooms that there are, for the sweeper."""
    found: dict[str, RoomView] = {}
    async with ctx.db.read() as connection:
        for room_id in room_ids:
            if await rooms.get(connection, room_id) is not None:
                found[room_id] = await existing(connection, room_id)
    return found

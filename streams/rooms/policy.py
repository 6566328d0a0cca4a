"""From the state of a room to what follows for media: who may speak, publish and watch, who is heard, who is shown.

Pure; computed anew from the state, so that nothing can be forgotten when it changes. The plane does what stands here:
a track that is not in `allowed` is not forwarded, whatever a page sends.
"""

from collections.abc import Collection
from typing import NamedTuple

from streams.publication import TrackName
from streams.rooms.values import Phase, Role, RollState, RoomState, Seat, SeatKind, Speech, Spotlight

NOTHING: frozenset[TrackName] = frozenset()
_PLAIN = {False: frozenset({TrackName.CAMERA}), True: frozenset({TrackName.CAMERA, TrackName.MICROPHONE})}
OF_PEOPLE = frozenset({TrackName.CAMERA, TrackName.MICROPHONE, TrackName.SCREEN, TrackName.SCREEN_AUDIO})
OF_CAMERAS = frozenset({TrackName.VIDEO, TrackName.AUDIO})


def tracks_of(kind: SeatKind) -> frozenset[TrackName]:
    """Return the names a seat of this kind can publish at all."""
    return OF_CAMERAS if kind is SeatKind.CAMERA else OF_PEOPLE


def is_within(state: RoomState, seat: Seat) -> bool:
    """Tell whether somebody is in the room itself, not in its lobby, and the room is open."""
    return state.phase is Phase.OPEN and not seat.is_in_lobby


def is_active(state: RoomState, seat: Seat) -> bool:
    """Tell whether somebody may take part: in the room, and neither observer nor camera."""
    return is_within(state, seat) and seat.role is not Role.OBSERVER and seat.kind is not SeatKind.CAMERA


def is_privileged(state: RoomState, seat: Seat) -> bool:
    """Tell whether somebody needs no leave to speak: chair, speakers, and who holds the floor."""
    return seat.id == state.chair or seat.role in {Role.CHAIR, Role.SPEAKER} or seat.id in state.floor


def is_hushed(state: RoomState, seat: Seat) -> bool:
    """Tell whether a roll call silences this seat: only the called one and the chair are heard."""
    roll = state.roll_call
    return roll.state is RollState.RUNNING and seat.id not in {roll.current, state.chair}


def may_speak(state: RoomState, seat: Seat) -> bool:
    """Tell whether a microphone may be heard, if its owner has it on."""
    if not is_active(state, seat) or is_hushed(state, seat):
        return False
    if state.roll_call.state is RollState.RUNNING and seat.id == state.roll_call.current:
        return True
    if TrackName.MICROPHONE in seat.muted_chair:
        return False
    if is_privileged(state, seat):
        return True
    return state.speech is Speech.OPEN and not state.is_all_locked


def may_share(state: RoomState, seat: Seat) -> bool:
    """Tell whether somebody shares, or might begin to."""
    return state.content in {None, seat.id} and is_entitled_to_share(state, seat)


def is_entitled_to_share(state: RoomState, seat: Seat) -> bool:
    """Tell whether the content is open to somebody, whoever has it now."""
    if not is_active(state, seat) or TrackName.SCREEN in seat.muted_chair:
        return False
    return is_privileged(state, seat) or state.speech is Speech.OPEN


class Leave(NamedTuple):
    """What follows from the room's state for one seat: the tracks that are forwarded now, and what it might do."""

    allowed: frozenset[TrackName]
    may_speak: bool
    may_share: bool


def leave_of(state: RoomState, seat: Seat) -> Leave:
    """Return all of it; computed for every seat when something changes for all, hence in one go."""
    if seat.kind is SeatKind.CAMERA:
        return Leave(_allowed_camera(state, seat), may_speak=False, may_share=False)
    if not is_active(state, seat):
        return Leave(NOTHING, may_speak=False, may_share=False)
    speaks = may_speak(state, seat)
    names = _PLAIN[speaks]
    if state.content == seat.id:
        is_silent = not speaks or TrackName.SCREEN_AUDIO in seat.muted_chair  # else a voice passes as a screen's sound
        names |= {TrackName.SCREEN} if is_silent else {TrackName.SCREEN, TrackName.SCREEN_AUDIO}
    if TrackName.CAMERA in seat.muted_chair:
        names -= {TrackName.CAMERA}
    if seat.muted_self:
        names -= seat.muted_self
    return Leave(names, speaks, may_share(state, seat))


def allowed(state: RoomState, seat: Seat) -> frozenset[TrackName]:
    """Return the tracks of a seat that are forwarded now."""
    return leave_of(state, seat).allowed


def _allowed_camera(state: RoomState, seat: Seat) -> frozenset[TrackName]:
    if not is_within(state, seat):
        return NOTHING
    silent = {TrackName.AUDIO} if is_hushed(state, seat) else set()
    return OF_CAMERAS - seat.muted_chair - silent


def may_watch(state: RoomState, viewer: Seat, shown: Seat) -> bool:
    """Tell whether a seat may watch what another publishes: whoever is in the room sees all of it."""
    return is_within(state, viewer) and is_within(state, shown) and shown.role is not Role.OBSERVER


def microphones(state: RoomState) -> tuple[str, ...]:
    """Return whose microphones may be heard now, in order of coming."""
    return tuple(seat.id for seat in state.seats.values() if TrackName.MICROPHONE in allowed(state, seat))


def main_picture(state: RoomState, active: str | None, published: Collection[str]) -> Spotlight | None:
    """Return everybody's main picture: the called venue, the spotlight, the content, who speaks, the chair.

    `active` is the active speaker, `published` the seats that send a picture.
    """
    if state.phase is Phase.ENDED:
        return None
    roll = state.roll_call
    called = state.seats.get(roll.current or "")
    if roll.state is RollState.RUNNING and called is not None:
        return Spotlight(called.source, TrackName.CAMERA)
    if state.spotlight is not None:
        return state.spotlight
    if state.content is not None:
        return Spotlight(state.seats[state.content].source, TrackName.SCREEN)
    for candidate in (active, *state.floor, state.chair):
        if candidate is not None and candidate in state.seats and candidate in published:
            return Spotlight(state.seats[candidate].source, TrackName.CAMERA)
    return None


def head_count_total(state: RoomState) -> int:
    """Return how many people are present: entered, never assumed; a person is one, a hall counts when it told."""
    return sum(seat.head_count for seat in state.seats.values() if not seat.is_in_lobby)

"""The small steps the rules are made of: a seat replaced, a seat vacated, the chair handed over.

Pure. Called by the rule modules (`seating`, `chairing`, `hearing`, `roll_call`); each returns a new state.
"""

from dataclasses import replace

from streams.publication import TrackName
from streams.rooms.effects import Effect, Muted
from streams.rooms.policy import is_entitled_to_share
from streams.rooms.values import RoomState, Seat, Spotlight

GONE_LIMIT = 1000
"""Seats remembered after they left; the oldest is forgotten."""


def with_seat(state: RoomState, seat: Seat) -> RoomState:
    """Put a seat in the place of its former self, or add it."""
    return replace(state, seats={**state.seats, seat.id: seat})


def without_floor(state: RoomState, seat_id: str) -> RoomState:
    """Take the floor from somebody, and the wish for it."""
    return replace(
        state,
        floor=tuple(each for each in state.floor if each != seat_id),
        floor_queue=tuple(each for each in state.floor_queue if each[0] != seat_id),
    )


def without_claims(state: RoomState, seat_id: str) -> RoomState:
    """Take from somebody all that is the room's: chair, floor, wishes for them, content, spotlight."""
    state = without_floor(state, seat_id)
    seat = state.seats.get(seat_id)
    is_lit = seat is not None and state.spotlight is not None and state.spotlight.source == seat.source
    return replace(
        state,
        chair=None if state.chair == seat_id else state.chair,
        chair_requests=tuple(each for each in state.chair_requests if each != seat_id),
        content=None if state.content == seat_id else state.content,
        spotlight=None if is_lit else state.spotlight,
    )


def without_seat(state: RoomState, seat: Seat, *, is_removed: bool = False) -> RoomState:
    """Let somebody go, and remember the seat."""
    state = without_claims(state, seat.id)
    seats = {key: each for key, each in state.seats.items() if key != seat.id}
    gone = {key: each for key, each in state.gone.items() if key != seat.id}
    gone[seat.id] = replace(seat, is_online=False, is_removed=is_removed or (seat.is_removed and seat.is_in_lobby))
    while len(gone) > GONE_LIMIT:
        del gone[next(iter(gone))]
    return replace(state, seats=seats, gone=gone)


def with_chair(state: RoomState, seat_id: str) -> RoomState:
    """Make somebody the chair: heard again if muted by the former one, and no longer in any queue."""
    state = without_floor(state, seat_id)
    state = with_seat(state, replace(state.seats[seat_id], muted_chair=frozenset()))
    requests = tuple(each for each in state.chair_requests if each != seat_id)
    return replace(state, chair=seat_id, chair_requests=requests)


def settled(state: RoomState) -> tuple[RoomState, tuple[Effect, ...]]:
    """Take the content from who may not share any more, and the spotlight from a picture that went with it."""
    effects: tuple[Effect, ...] = ()
    sharing = None if state.content is None else state.seats.get(state.content)
    if sharing is not None and not is_entitled_to_share(state, sharing):
        state = replace(state, content=None)
        if TrackName.SCREEN not in sharing.muted_chair:
            effects = (Muted(sharing.id, TrackName.SCREEN),)
    return _with_spotlight_settled(state), effects


def _with_spotlight_settled(state: RoomState) -> RoomState:
    lit: Spotlight | None = state.spotlight
    if lit is None or lit.track is not TrackName.SCREEN:
        return state
    sharing = None if state.content is None else state.seats.get(state.content)
    return state if sharing is not None and sharing.source == lit.source else replace(state, spotlight=None)

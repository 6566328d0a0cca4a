"""Who listens to a room, and what each is told: gates at once, everything else in few messages for all.

Owned by a room's actor, on its loop. The gate of a seat follows the state within the same turn. Participants, room
and sources are told together, at most once in `pause_s`, which grows with the audience: two hundred who join in a
second make a few messages for each, not two hundred. A message is made once and shared by all who get it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from media.base.ids import SourceId
from streams.publication import TrackName
from streams.rooms import shapes
from streams.rooms.effects import Chatted, Effect, Ended, LedgerChanged, Left, Muted, UnmuteAsked
from streams.rooms.policy import OF_PEOPLE, Leave, head_count_total, is_within, leave_of
from streams.rooms.seat import RoomEvents, RoomSource
from streams.rooms.values import Role, RoomState, Seat, SeatKind

PAUSE_S = 0.05
PAUSE_PER_SEAT_S = 0.003
LONGEST_PAUSE_S = 0.5
"""Everybody who comes is told to everybody: at twenty a second this would be most of what a hall of 100 costs."""
BULK = 100
"""Participants in one message: below the 64 KiB of a frame."""

PAST_CHAT = 50
"""Lines of chat told to who comes."""

_CONTENT = frozenset({TrackName.SCREEN, TrackName.SCREEN_AUDIO})
_NONE: frozenset[TrackName] = frozenset()


@dataclass(slots=True, eq=False)
class Link:
    """One seat that listens: its events, what it sends, and what it was told last."""

    seat_id: str
    events: RoomEvents
    published: frozenset[TrackName] = _NONE
    slot: str = ""
    allowed: frozenset[TrackName] | None = None
    audible: tuple[SourceId, ...] | None = None
    is_within: bool = False
    """Whether it was let in: who waits in the lobby is told nothing of the room."""


class Audience:
    """The links of one room and what they know."""

    def __init__(self, state: RoomState, own_slot: str, guard: Callable[[str], Any]) -> None:
        """Begin with nobody. `guard` makes a context in which one receiver's failure ends."""
        self.links: dict[str, Link] = {}
        self._state = state
        self._own_slot = own_slot
        self._guard = guard
        self._leaves: dict[str, Leave] = {}
        self._room_face = _room_face(state)
        self._dirty: set[str] = set()
        self._is_room_dirty = False
        self._is_sources_dirty = False
        self._sources: tuple[RoomSource, ...] = ()
        self._sending: set[str] = set()
        self._hands = dict(state.floor_queue)
        self._ranking: tuple[SourceId, ...] = ()
        self._loudest = state.config.audio_loudest
        for seat in state.seats.values():
            self._leaves[seat.id] = leave_of(state, seat)

    @property
    def pause_s(self) -> float:
        """Return how long to gather changes before telling them."""
        return min(PAUSE_S + PAUSE_PER_SEAT_S * len(self.links), LONGEST_PAUSE_S)

    @property
    def is_dirty(self) -> bool:
        """Tell whether there is something to tell."""
        return bool(self._dirty) or self._is_room_dirty or self._is_sources_dirty

    @property
    def sources(self) -> tuple[RoomSource, ...]:
        """Return what may be watched, as told last."""
        return self._sources

    def open_microphones(self) -> tuple[str, ...]:
        """Return who may be heard of those whose sources all know, in order of coming."""
        return tuple(
            seat_id
            for seat_id in self._state.seats
            if seat_id in self._sending and TrackName.MICROPHONE in self._leaves[seat_id].allowed
        )

    @property
    def open_cameras(self) -> tuple[SourceId, ...]:
        """Return the cameras whose sound the chair has let in."""
        return tuple(source.source for source in self._sources if TrackName.AUDIO in source.tracks)

    def published(self, seat_id: str) -> frozenset[TrackName]:
        """Return the tracks a seat sends; a camera sends what it is asked for."""
        seat = self._state.seats.get(seat_id)
        if seat is not None and seat.kind is SeatKind.CAMERA:
            return frozenset({TrackName.VIDEO, TrackName.AUDIO})
        link = self.links.get(seat_id)
        return link.published if link is not None else _NONE

    def attach(self, link: Link) -> Link | None:
        """Let a seat listen; return the link it had before."""
        former = self.links.get(link.seat_id)
        self.links[link.seat_id] = link
        link.published &= OF_PEOPLE
        if former is not None and former.events is link.events:
            link.published, link.slot = former.published, former.slot
        if link.published or (former is not None and former.published):
            self._dirty.add(link.seat_id)
            self._is_sources_dirty = True
        seat = self._state.seats[link.seat_id]
        link.is_within = is_within(self._state, seat)
        self._gate(link, seat)
        self._tell_sources(link)
        self._tell_audible(link)
        if link.is_within:
            self._tell_past_chat(link)
        return former

    def drop(self, seat_id: str) -> Link | None:
        """Let a seat listen no more."""
        link = self.links.pop(seat_id, None)
        if link is not None and link.published:
            self._is_sources_dirty = True
        return link

    def publishes(self, link: Link, names: frozenset[TrackName], slot: str) -> None:
        """Remember what a seat sends, of what people can send at all."""
        names &= OF_PEOPLE
        if (link.published, link.slot) != (names, slot):
            link.published, link.slot = names, slot
            self._dirty.add(link.seat_id)
            self._is_sources_dirty = True

    def snapshot(self, seat_id: str) -> dict[str, Any]:
        """Return what a seat sees of the room now."""
        state = self._state
        seat = state.seats[seat_id]
        own = self._shape(seat)
        if not is_within(state, seat):
            return {"participant": own, "room": shapes.room_from_lobby(state), "participants": [own]}
        everybody = [own if each is seat else self._shape(each) for each in state.seats.values()]
        return {"participant": own, "room": shapes.room(state), "participants": everybody}

    def _shape(self, seat: Seat) -> shapes.Message:
        hand_us = self._hands.get(seat.id)
        return shapes.participant(seat, self._leaves[seat.id], self.published(seat.id), hand_us)

    def follow(self, old: RoomState, new: RoomState, effects: Iterable[Effect]) -> None:
        """Take over a new state: set the gates, say what was done to whom, remember what all will be told."""
        self._state = new
        self._loudest = new.config.audio_loudest
        face = _room_face(new)
        is_for_all = face[:_GATE_FIELDS] != self._room_face[:_GATE_FIELDS]
        self._is_room_dirty |= face != self._room_face
        self._room_face = face
        changed = [each for each in new.seats.values() if old.seats.get(each.id) is not each]
        self._is_sources_dirty |= bool(changed) or old.content != new.content or len(old.seats) != len(new.seats)
        self._dirty.update(each.id for each in changed)
        if old.floor_queue is not new.floor_queue:
            self._dirty.update({each for each, _ in {*old.floor_queue} ^ {*new.floor_queue}} & new.seats.keys())
            self._hands = dict(new.floor_queue)
        for seat in new.seats.values() if is_for_all else changed:
            self._follow_seat(seat)
        for effect in effects:
            self._say(effect)

    def _follow_seat(self, seat: Seat) -> None:
        leave = leave_of(self._state, seat)
        if self._leaves.get(seat.id) != leave:
            self._leaves[seat.id] = leave
            self._dirty.add(seat.id)
        link = self.links.get(seat.id)
        if link is None:
            return
        self._gate(link, seat)
        if not link.is_within and is_within(self._state, seat):
            self._let_in(link)

    def _gate(self, link: Link, seat: Seat) -> None:
        names = self._leaves[seat.id].allowed
        if names != link.allowed:
            link.allowed = names
            with self._guard(link.seat_id):
                link.events.on_allowed(names)

    def _let_in(self, link: Link) -> None:
        """Tell somebody from the lobby everything."""
        link.is_within = True
        seen = self.snapshot(link.seat_id)
        self._send(link, {"type": "room", "room": seen["room"]})
        for first in range(0, len(seen["participants"]), BULK):
            self._send(link, {"type": "participants", "participants": seen["participants"][first : first + BULK]})
        self._tell_sources(link)
        self._tell_audible(link)
        self._tell_past_chat(link)

    def _tell_past_chat(self, link: Link) -> None:
        read = [line for line in self._state.chat if not line.to or link.seat_id in {line.to, line.by}]
        for line in read[-PAST_CHAT:]:
            self._send(link, shapes.chat(line))

    def _say(self, effect: Effect) -> None:
        match effect:
            case Muted(target, track, is_muted):
                self.send(target, {"type": "muted", "track": track.value, "by": "chair", "is_muted": is_muted})
            case UnmuteAsked(target, by):
                self.send(target, {"type": "unmute_asked", "by": by})
            case LedgerChanged(participant_id):
                entry = self._state.roll_call.entries[participant_id]
                self.send_all({"type": "roll_call", "entry": shapes.ledger_entry(entry)})
            case Left(participant_id, reason):
                self._dirty.discard(participant_id)
                self._leaves.pop(participant_id, None)
                self.send_all({"type": "participant_left", "participant_id": participant_id, "reason": reason})
            case Chatted(line) if line.to:
                for reader in {line.to, line.by}:
                    self.send(reader, shapes.chat(line))
            case Chatted(line):
                self.send_all(shapes.chat(line))
            case Ended():
                self._dirty.clear()
                self._is_room_dirty = self._is_sources_dirty = True

    def send(self, seat_id: str, message: shapes.Message) -> None:
        """Tell one seat, if it listens."""
        link = self.links.get(seat_id)
        if link is not None:
            self._send(link, message)

    def send_all(self, message: shapes.Message) -> None:
        """Tell everybody in the room the same."""
        said = shapes.Said(message)
        for link in tuple(self.links.values()):
            if link.is_within:
                self._send(link, said)

    def _send(self, link: Link, message: shapes.Message) -> None:
        with self._guard(link.seat_id):
            link.events.on_message(message)

    def flush(self) -> bool:
        """Tell what has changed since the last time; return whether other sources may be watched now."""
        self._flush_participants()
        if self._is_room_dirty:
            self._is_room_dirty = False
            self.send_all({"type": "room", "room": shapes.room(self._state)})
        if self._is_sources_dirty:
            self._is_sources_dirty = False
            return self._flush_sources()
        return False

    def _flush_participants(self) -> None:
        dirty, self._dirty = self._dirty, set()
        seats = [seat for seat_id in dirty if (seat := self._state.seats.get(seat_id)) is not None]
        changed = [self._shape(seat) for seat in seats]
        if len(changed) == 1:
            self.send_all({"type": "participant", "participant": changed[0]})
        else:
            for first in range(0, len(changed), BULK):
                self.send_all({"type": "participants", "participants": changed[first : first + BULK]})
        for shape in changed:
            link = self.links.get(shape["id"])
            if link is not None and not link.is_within:
                self._send(link, {"type": "participant", "participant": shape})

    def _flush_sources(self) -> bool:
        known = {source.participant_id: source for source in self._sources}
        fresh = [made for seat in self._state.seats.values() if (made := self._source(seat)) is not None]
        sources = tuple(
            known[made.participant_id] if known.get(made.participant_id) == made else made for made in fresh
        )
        if sources == self._sources:
            return False
        self._sources = sources
        self._sending = {each.participant_id for each in sources if TrackName.MICROPHONE in each.tracks}
        for link in tuple(self.links.values()):
            self._tell_sources(link)
        return True

    def _source(self, seat: Seat) -> RoomSource | None:
        """Return what may be watched of a seat: the microphone comes by the audio slots, the screen with the content."""
        if not is_within(self._state, seat) or seat.role is Role.OBSERVER:
            return None
        names, link = self.published(seat.id), self.links.get(seat.id)
        if seat.kind is SeatKind.CAMERA:
            names, slot = names & self._leaves[seat.id].allowed, seat.slot
        else:
            names = names if self._state.content == seat.id else names - _CONTENT
            slot = "" if link is None else link.slot
        if not names:
            return None
        return RoomSource(SourceId(seat.source), slot or self._own_slot, seat.id, names)

    def _tell_sources(self, link: Link) -> None:
        with self._guard(link.seat_id):
            link.events.on_sources(self._sources if link.is_within else ())

    def rank(self, ranking: tuple[SourceId, ...]) -> None:
        """Take over who is heard, loudest first: one more than each hears, so that nobody need hear oneself."""
        if ranking != self._ranking:
            self._ranking = ranking
            for link in tuple(self.links.values()):
                self._tell_audible(link)

    def _tell_audible(self, link: Link) -> None:
        own = SourceId(f"participant/{link.seat_id}")
        heard = self._ranking
        if own in heard:
            heard = tuple(source for source in heard if source != own)
        heard = heard[: self._loudest] if link.is_within else ()
        if heard != link.audible:
            link.audible = heard
            with self._guard(link.seat_id):
                link.events.on_audible(heard)


_GATE_FIELDS = 8


def _room_face(state: RoomState) -> tuple[object, ...]:
    """Return what everybody sees of the room, but for the ledger's lines; the first fields decide the gates."""
    roll = state.roll_call
    return (
        state.phase,
        state.speech,
        state.is_all_locked,
        state.chair,
        state.floor,
        state.content,
        roll.state,
        roll.current,
        state.is_all_muted,
        state.name,
        state.is_locked,
        state.has_lobby,
        state.chair_requests,
        state.floor_queue,
        state.spotlight,
        state.recording_since_us,
        state.config.starts_at,
        len(roll.entries),
        head_count_total(state),
    )

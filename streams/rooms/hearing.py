"""The rules of what is heard and shown: mutes, free or given speech, 广播会场, the content, recording, chat.

Pure; called by `machine` after the table of rights has let the command through. A mute by the chair also counts as
one's own, so that lifting it opens no microphone: the person does.
"""

from dataclasses import replace

from streams.publication import TrackName
from streams.rooms.chairing import target_of
from streams.rooms.changes import with_seat
from streams.rooms.commands import Command
from streams.rooms.effects import Accepted, Chatted, Effect, Muted, UnmuteAsked
from streams.rooms.policy import is_active, is_entitled_to_share, is_privileged, may_speak, tracks_of
from streams.rooms.refusals import Code, Refused
from streams.rooms.values import ChatLine, Role, RoomState, Seat, SeatKind, Speech, Spotlight

CHAT_LIMIT = 200
"""Lines a room remembers for who comes later; the journal keeps all."""

_MICROPHONE = frozenset({TrackName.MICROPHONE})


def _own_track(seat: Seat, command: Command, otherwise: TrackName) -> TrackName:
    track = TrackName(command.values.get("track", otherwise))
    if track not in tracks_of(seat.kind):
        raise Refused(Code.BAD_MESSAGE, "this seat has no such track", "track")
    return track


def mute_self(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Say that an own track is off, or on again."""
    seat = state.seats[command.by]
    track = _own_track(seat, command, TrackName.MICROPHONE)
    if command.values["muted"]:
        return Accepted(with_seat(state, replace(seat, muted_self=seat.muted_self | {track})))
    if track in seat.muted_chair or (track is TrackName.MICROPHONE and not may_speak(state, seat)):
        is_called = state.roll_call.current == seat.id and may_speak(state, seat)
        if not (is_called and track is TrackName.MICROPHONE):
            raise Refused(Code.NOT_YOUR_TURN, "muted by the chair, or without the floor")
    return Accepted(with_seat(state, replace(seat, muted_self=seat.muted_self - {track})))


def mute(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Silence somebody, or take a picture away, until it is lifted."""
    seat = target_of(state, command)
    if seat.id == command.by:
        raise Refused(Code.WRONG_STATE, "one mutes oneself otherwise")
    is_camera = seat.kind is SeatKind.CAMERA
    track = _own_track(seat, command, TrackName.AUDIO if is_camera else TrackName.MICROPHONE)
    own = seat.muted_self if is_camera else seat.muted_self | {track}
    muted = replace(seat, muted_chair=seat.muted_chair | {track}, muted_self=own)
    return Accepted(with_seat(state, muted), (Muted(seat.id, track),))


def unmute(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Lift the chair's mutes and ask the person to open the microphone."""
    seat = target_of(state, command)
    effects: list[Effect] = [Muted(seat.id, track, is_muted=False) for track in sorted(seat.muted_chair)]
    if TrackName.MICROPHONE in seat.muted_self:
        effects.append(UnmuteAsked(seat.id, command.by))
    return Accepted(with_seat(state, replace(seat, muted_chair=frozenset())), tuple(effects))


def mute_all(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Close the microphones of all but chair, speakers and holders of the floor; locked, they stay closed."""
    seats = dict(state.seats)
    effects: list[Effect] = []
    for seat in state.seats.values():
        is_open = is_active(state, seat) and not is_privileged(state, seat)
        if is_open and TrackName.MICROPHONE not in seat.muted_self:
            seats[seat.id] = replace(seat, muted_self=seat.muted_self | _MICROPHONE)
            effects.append(Muted(seat.id, TrackName.MICROPHONE))
    is_locked = command.values.get("is_locked", False)
    return Accepted(replace(state, seats=seats, is_all_muted=True, is_all_locked=is_locked), tuple(effects))


def unmute_all(state: RoomState, _command: Command, _now_us: int) -> Accepted:
    """Let everybody open the microphone again; nobody's opens by itself."""
    seats = dict(state.seats)
    effects: list[Effect] = []
    for seat in state.seats.values():
        if TrackName.MICROPHONE in seat.muted_chair:
            seats[seat.id] = replace(seat, muted_chair=seat.muted_chair - _MICROPHONE)
            effects.append(Muted(seat.id, TrackName.MICROPHONE, is_muted=False))
    return Accepted(replace(state, seats=seats, is_all_muted=False, is_all_locked=False), tuple(effects))


def set_speech(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Let everybody speak, or whom the chair gives the floor."""
    return Accepted(replace(state, speech=Speech(command.values["speech"])))


def spotlight(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Make a source everybody's main picture, or none."""
    source = command.values.get("source")
    if source is None:
        return Accepted(replace(state, spotlight=None))
    seat = next((each for each in state.seats.values() if each.source == source), None)
    if seat is None or seat.is_in_lobby or seat.role is Role.OBSERVER:
        raise Refused(Code.SOURCE_NOT_FOUND, "not in the room", "source")
    track = command.values.get("track")
    if track is not None:
        named = _own_track(seat, command, TrackName.CAMERA)
        if named not in {TrackName.VIDEO, TrackName.CAMERA, TrackName.SCREEN}:
            raise Refused(Code.BAD_MESSAGE, "this is no picture", "track")
        if named is TrackName.SCREEN and state.content != seat.id:
            raise Refused(Code.WRONG_STATE, "shares nothing")
        return Accepted(replace(state, spotlight=Spotlight(source, named)))
    return Accepted(replace(state, spotlight=Spotlight(source)))


def share_start(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Take the content; one at a time."""
    seat = state.seats[command.by]
    if state.content == seat.id:
        raise Refused(Code.WRONG_STATE, "shares already")
    if not is_entitled_to_share(state, seat):
        is_muted = TrackName.SCREEN in seat.muted_chair
        raise Refused(Code.NOT_YOUR_TURN if is_muted else Code.NOT_PERMITTED, "may not share now")
    if state.content is not None:
        raise Refused(Code.ALREADY_SHARING, "somebody else shares")
    return Accepted(replace(state, content=seat.id))


def share_stop(state: RoomState, command: Command, _now_us: int) -> Accepted:
    """Give the content back, or take it."""
    sharing = command.target or command.by
    if state.content != sharing:
        raise Refused(Code.WRONG_STATE, "shares nothing")
    effects = () if sharing == command.by else (Muted(sharing, TrackName.SCREEN),)
    return Accepted(replace(state, content=None), effects)


def record_start(state: RoomState, _command: Command, now_us: int) -> Accepted:
    """Begin to record; everybody is told by the room."""
    if state.recording_since_us is not None:
        raise Refused(Code.WRONG_STATE, "is being recorded")
    return Accepted(replace(state, recording_since_us=now_us))


def record_stop(state: RoomState, _command: Command, _now_us: int) -> Accepted:
    """End the recording."""
    if state.recording_since_us is None:
        raise Refused(Code.WRONG_STATE, "is not being recorded")
    return Accepted(replace(state, recording_since_us=None))


def chat(state: RoomState, command: Command, now_us: int) -> Accepted:
    """Say something in writing, to all or to one."""
    seat = state.seats[command.by]
    to = command.values.get("to", "")
    receiver = state.seats.get(to)
    if to and (receiver is None or receiver.is_in_lobby or receiver.kind is SeatKind.CAMERA):
        raise Refused(Code.TARGET_NOT_FOUND, "nobody of this id reads here", "to")
    line = ChatLine(state.version + 1, seat.id, seat.name, command.values["text"], to, now_us)
    return Accepted(replace(state, chat=(*state.chat, line)[-CHAT_LIMIT:]), (Chatted(line),))

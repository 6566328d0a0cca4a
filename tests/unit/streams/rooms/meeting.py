"""A meeting in a few words, for the tests of rooms: commands by name, refusals as codes, and an ear that remembers."""

from streams.rooms.commands import SYSTEM, parse
from streams.rooms.machine import apply, open_room
from streams.rooms.refusals import Refusal
from streams.rooms.values import Role, SeatKind

START_US = 1_700_000_000_000_000


class Meeting:
    """A state that is acted on; `do` returns the code of a refusal, or ""."""

    def __init__(self, **config):
        self.now_us = START_US
        _, self.state = open_room("r", {"name": "推进会", **config}, self.now_us)
        self.effects = ()
        self.answer = {}

    def do(self, action, by=SYSTEM, **body):
        self.now_us += 1_000_000
        outcome = apply(self.state, parse(action, by, body), self.now_us)
        if isinstance(outcome, Refusal):
            return outcome.code.value
        self.state, self.effects, self.answer = outcome.state, outcome.effects, outcome.answer
        return ""

    def join(self, who, role=Role.ATTENDEE, kind=SeatKind.PERSON, **more):
        return self.do("join", target=who, name=f"name of {who}", role=role, kind=kind, user_id=f"u-{who}", **more)

    def seat(self, who):
        return self.state.seats[who]


def usual(**config):
    """Return a meeting with a chair, a speaker, two venues and an observer."""
    meeting = Meeting(**config)
    meeting.join("chair", Role.CHAIR)
    meeting.join("speaker", Role.SPEAKER)
    meeting.join("east", kind=SeatKind.VENUE)
    meeting.join("west", kind=SeatKind.VENUE)
    meeting.join("guest", Role.OBSERVER)
    return meeting


class Ear:
    """A seat's events, remembered."""

    def __init__(self):
        self.messages = []
        self.allowed = None
        self.sources = ()
        self.audible = ()
        self.ended = None

    def on_message(self, message):
        self.messages.append(message)

    def on_allowed(self, names):
        self.allowed = names

    def on_sources(self, sources):
        self.sources = sources

    def on_audible(self, sources):
        self.audible = sources

    def on_ended(self, code):
        self.ended = code

    def of(self, kind):
        return [message for message in self.messages if message["type"] == kind]

    def participants(self):
        """Return everybody as the messages so far say."""
        found = {}
        for message in self.messages:
            for one in message.get("participants", []) or (
                [message["participant"]] if "participant" in message else []
            ):
                found[one["id"]] = one
            if message["type"] == "participant_left":
                found.pop(message["participant_id"], None)
        return found

    def watchable(self):
        return {source.source for source in self.sources}

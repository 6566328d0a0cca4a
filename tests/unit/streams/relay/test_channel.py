from typing import Any

from streams.relay.channel import INBOX_MESSAGES, Channel
from streams.relay.frames import FrameType


class Wire:
    """A link that keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[FrameType, dict[str, Any]]] = []

    def send_json(self, kind: FrameType, message: dict[str, Any]) -> None:
        self.sent.append((kind, message))


def channel() -> tuple[Channel, Wire, list[Channel]]:
    wire, closed = Wire(), []
    return Channel(wire, 5, closed.append), wire, closed  # type: ignore[arg-type]


async def test_messages_come_in_order_and_the_end_after_them() -> None:
    made, _, closed = channel()
    made.take({"n": 1})
    made.take({"n": 2})
    made.ended()
    assert [message async for message in made] == [{"n": 1}, {"n": 2}]
    assert [message async for message in made] == []
    assert closed == [made]


def test_closing_tells_the_other_end_once() -> None:
    made, wire, closed = channel()
    made.close()
    made.close()
    made.send({"n": 1})
    assert wire.sent == [(FrameType.CHANNEL_CLOSE, {"channel": 5})]
    assert closed == [made]


async def test_an_inbox_that_is_not_read_ends_the_channel() -> None:
    made, wire, closed = channel()
    for number in range(INBOX_MESSAGES + 1):
        made.take({"n": number})
    assert closed == [made]
    assert wire.sent[-1][0] is FrameType.CHANNEL_CLOSE

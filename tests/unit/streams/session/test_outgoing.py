import asyncio
import json
from typing import Any

from streams.rooms.shapes import Said
from streams.session.outgoing import MAX_BYTES, MAX_MESSAGES, MAX_STATES, Outgoing


async def all_of(queue: Outgoing) -> list[dict[str, Any]]:
    frames = [json.loads(await queue.take() or "") for _ in range(len(queue))]
    return [frame["page"] for frame in frames]


def attached() -> Outgoing:
    return Outgoing(is_attached=True)


def slot(mid: str, source: str | None) -> dict[str, Any]:
    return {"type": "slot", "mid": mid, "kind": "video", "source": source, "track": None}


async def test_messages_come_in_order() -> None:
    queue = attached()
    for number in range(5):
        queue.put({"type": "ok", "id": number})
    assert [m["id"] for m in await all_of(queue)] == [0, 1, 2, 3, 4]


async def test_a_newer_state_takes_the_place_of_an_older_one_at_its_own_turn() -> None:
    queue = attached()
    queue.put(slot("0", "camera/a"))
    queue.put(slot("1", "camera/b"))
    queue.put({"type": "chat", "from": "p-1", "text": "x"})
    queue.put(slot("0", "camera/c"))
    assert [(m["type"], m.get("source")) for m in await all_of(queue)] == [
        ("slot", "camera/b"),
        ("chat", None),
        ("slot", "camera/c"),
    ]
    assert queue.left_out == 1


async def test_participants_are_told_apart() -> None:
    queue = attached()
    for name, version in (("p-1", 1), ("p-2", 1), ("p-1", 2)):
        queue.put({"type": "participant", "participant": {"id": name, "version": version}})
    seen = [(m["participant"]["id"], m["participant"]["version"]) for m in await all_of(queue)]
    assert seen == [("p-2", 1), ("p-1", 2)]


async def test_answers_are_never_left_out_though_they_share_a_name_with_a_state() -> None:
    queue = attached()
    queue.put({"type": "slots", "id": 1, "sdp": "a"})
    queue.put({"type": "slots", "id": 2, "sdp": "b"})
    assert len(queue) == 2


async def test_a_page_that_does_not_read_fills_it() -> None:
    queue = attached()
    for _ in range(MAX_MESSAGES):
        queue.put({"type": "chat", "text": "x"})
    assert not queue.is_full
    queue.put({"type": "chat", "text": "x"})
    assert queue.is_full
    assert len(queue) == 0
    queue.put({"type": "chat", "text": "x"})
    assert len(queue) == 0
    assert not queue.put_api({"type": "ended"})


async def test_states_alone_never_fill_it() -> None:
    queue = attached()
    for number in range(20 * MAX_MESSAGES):
        queue.put(slot(str(number % 40), f"camera/{number}"))
        queue.put({"type": "speakers", "active": None, "levels": {}})
    assert not queue.is_full
    assert len(queue) == 41


async def test_a_burst_about_a_room_of_two_thousand_fits_and_no_more() -> None:
    queue = attached()
    for number in range(MAX_STATES):
        queue.put({"type": "participant", "participant": {"id": f"p-{number}"}})
    assert not queue.is_full
    queue.put({"type": "participant", "participant": {"id": "p-more"}})
    assert queue.is_full


async def test_it_is_bounded_in_bytes() -> None:
    queue = attached()
    for number in range(20):
        queue.put({"type": "published", "id": number, "sdp": "v" * (MAX_BYTES // 10)})
    assert queue.is_full


async def test_one_message_passes_however_long_it_is() -> None:
    queue = attached()
    queue.put({"type": "published", "id": 1, "sdp": "v" * (2 * MAX_BYTES)})
    assert not queue.is_full
    assert len(queue) == 1


async def test_between_two_sockets_only_chat_is_kept_and_the_oldest_goes() -> None:
    queue = attached()
    queue.put(slot("0", "camera/a"))
    queue.put({"type": "ok", "id": 4})
    queue.put({"type": "chat", "number": -1})
    heir = queue.heir()
    heir.put(slot("0", "camera/b"))
    assert not heir.put_api({"type": "unsubscribed"})
    kept = MAX_MESSAGES // 2
    for number in range(kept):
        heir.put({"type": "chat", "number": number})
    assert not heir.is_full
    assert heir.dropped == 1
    heir.attach()
    heir.put({"type": "ok", "id": 5})
    assert [m.get("number") for m in await all_of(heir)] == [*range(kept), None]


async def test_nothing_comes_after_the_last_message() -> None:
    queue = attached()
    queue.put({"type": "ok", "id": 1})
    queue.finish({"type": "closing", "code": "left"}, 1000)
    queue.put({"type": "ok", "id": 2})
    queue.finish({"type": "closing", "code": "revoked"}, 4003)
    assert [m["type"] for m in await all_of(queue)] == ["ok", "closing"]
    assert await queue.take() is None
    assert queue.close_number == 1000


async def test_a_full_queue_still_says_goodbye() -> None:
    queue = attached()
    for _ in range(MAX_MESSAGES + 1):
        queue.put({"type": "chat"})
    queue.finish({"type": "closing", "code": "too_slow"}, 4008)
    assert [m["type"] for m in await all_of(queue)] == ["closing"]


async def test_frames_for_the_api_keep_their_place_among_those_for_the_page() -> None:
    queue = attached()
    queue.put({"type": "ok", "id": 1})
    assert queue.put_api({"type": "unsubscribed", "source": "camera/a"})
    queue.put({"type": "ok", "id": 2})
    assert [list(json.loads(await queue.take() or "")) for _ in range(3)] == [["page"], ["api"], ["page"]]


async def test_what_is_said_to_many_is_made_once() -> None:
    said = Said({"type": "chat", "text": "好"})
    assert said.text is said.text
    queue = attached()
    queue.put(said)
    assert await all_of(queue) == [{"type": "chat", "text": "好"}]


async def test_a_reader_waits_for_the_next_message() -> None:
    queue = attached()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(queue.take())
        await asyncio.sleep(0)
        assert not waiting.done()
        queue.put({"type": "ok", "id": 1})
    assert json.loads(waiting.result() or "") == {"page": {"type": "ok", "id": 1}}

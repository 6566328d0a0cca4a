"""One session in one room: what the room decides is what happens, whatever the page sends."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from media.base.ids import SourceId
from streams.publication import TrackName
from streams.rooms.values import Role
from streams.session.events import EVENTS, Welcome
from streams.session.sending import MAX_TRACKS
from streams.webrtc.publishing import PublishEnd
from tests.unit.streams.session.world import World, in_room, publication, published, settled, turns, world

BOTH = {"0": "camera", "1": "microphone"}


def allowed(at: World, number: int = 0) -> set[str]:
    return {name.value for name in at.peers.publishers[number].allowed}


async def test_the_welcome_is_of_the_protocol_and_says_what_there_is(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        await at.join("p-1", Role.CHAIR)
        _, welcome = await at.open(in_room("p-2"))
        TypeAdapter(Welcome).validate_python(welcome)
        assert (welcome["session_id"], welcome["resumed"]) == ("s-p-2", False)
        assert welcome["participant"]["id"] == "p-2"
        assert [each["id"] for each in welcome["participants"]] == ["p-1", "p-2"]
        assert welcome["limits"]["tracks"] == MAX_TRACKS


async def test_whatever_a_page_is_told_is_of_the_protocol(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        chair = await at.join("p-1", Role.CHAIR)
        page = await at.join("p-2")
        await page.ask("slots", sdp="video audio audio")
        await chair.ask("publish", sdp="offer", tracks=BOTH)
        await page.ask("publish", sdp="offer", tracks=BOTH)
        await page.ask("chat", text="好")
        await page.ask("chair", action="floor_request")
        await chair.ask("chair", action="mute", target="p-2")
        await chair.ask("chair", action="unmute", target="p-2")
        await chair.ask("chair", action="roll_call_start")
        await chair.ask("chair", action="roll_call_next")
        await chair.ask("chair", action="spotlight", source="participant/p-2")
        for name in ("chat", "muted", "unmute_asked", "roll_call", "source", "slot", "room", "participants"):
            await page.heard(name)
        await chair.ask("chair", action="remove", target="p-2")
        await page.heard("closing")
        for message in page.history:
            if "id" not in message:
                TypeAdapter(EVENTS[message["type"]]).validate_python(message)


async def test_the_gate_is_the_rooms_from_the_first_packet(tmp_path: Path) -> None:
    async with world(tmp_path, speech="floor") as at:
        page = await at.join("p-1")
        assert (await page.ask("publish", sdp="offer", tracks=BOTH))["sdp"] == "published"
        assert allowed(at) == {"camera"}
        assert at.plane.own(at.peers.publishers[0].publication.source) is at.peers.publishers[0].publication


async def test_a_granted_floor_opens_the_gate_and_a_revoked_one_closes_it(tmp_path: Path) -> None:
    async with world(tmp_path, speech="floor") as at:
        chair = await at.join("p-1", Role.CHAIR)
        page = await at.join("p-2")
        await page.ask("publish", sdp="offer", tracks=BOTH)
        await page.ask("chair", action="floor_request")
        await chair.ask("chair", action="floor_grant", target="p-2")
        assert allowed(at) == {"camera", "microphone"}
        await chair.ask("chair", action="floor_revoke", target="p-2")
        assert allowed(at) == {"camera"}


async def test_the_chairs_mute_closes_the_gate_before_the_chair_is_answered(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        chair = await at.join("p-1", Role.CHAIR)
        page = await at.join("p-2")
        await page.ask("publish", sdp="offer", tracks=BOTH)
        assert allowed(at) == {"camera", "microphone"}
        number = await chair.send("chair", action="mute", target="p-2")
        assert allowed(at) == {"camera"}
        assert (await chair.answer(number))["type"] == "ok"
        assert (await page.heard("muted")) == {"type": "muted", "track": "microphone", "by": "chair", "is_muted": True}


async def test_who_is_watched_and_heard_follows_the_room(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        talker = await at.join("p-1")
        page = await at.join("p-2")
        await page.ask("slots", sdp="video audio audio")
        await talker.ask("publish", sdp="offer", tracks=BOTH)
        await page.wait_for(lambda m: m["type"] == "source" and m["state"] == "live")
        given = await page.wait_for(lambda m: m["type"] == "slot" and m["kind"] == "audio")
        assert (given["source"], given["track"]) == ("participant/p-1", "microphone")
        assert (await page.ask("subscribe", source="participant/p-1", track="camera"))["mid"] == "0"
        subscriber = at.peers.subscribers[0]
        source = at.peers.publishers[0].publication
        assert subscriber.slots["0"].track is source.get(TrackName.CAMERA)
        assert subscriber.slots["1"].track is source.get(TrackName.MICROPHONE)
        await talker.ask("leave")
        await settled(lambda: subscriber.slots["0"].track is None and subscriber.slots["1"].track is None)
        assert (await page.heard("unsubscribed"))["code"] == "not_permitted"
        assert (await page.wait_for(lambda m: m["type"] == "source" and m["state"] == "gone"))["tracks"] == []


async def test_nobody_hears_oneself(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page = await at.join("p-1")
        await page.ask("slots", sdp="audio audio")
        await page.ask("publish", sdp="offer", tracks=BOTH)
        page.session.on_audible((page.session.identity.own_source,))  # type: ignore[arg-type]
        await turns()
        assert page.session.watching.count == 0


async def test_a_voice_that_is_not_found_is_looked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.session.watching.VOICE_RETRY_S", 0.01)
    async with world(tmp_path) as at:
        page = await at.join("p-1")
        await page.ask("slots", sdp="audio")
        gate = SourceId("camera/gate")
        page.session.watching.set_audible([gate], {})
        await settled(lambda: len(at.cameras.opened) > 1)
        made = at.cameras.cameras[gate] = publication(gate, TrackName.AUDIO)
        await settled(lambda: at.peers.subscribers[0].slots["0"].track is made.get(TrackName.AUDIO))
        assert (await page.heard("slot"))["source"] in {gate, None}


async def test_explicit_sound_takes_the_place_of_a_voice_and_voices_come_back(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        talker = await at.join("p-1")
        page = await at.join("p-2")
        await page.ask("slots", sdp="audio")
        await talker.ask("publish", sdp="offer", tracks=BOTH | {"2": "screen", "3": "screen-audio"})
        await page.wait_for(lambda m: m["type"] == "slot" and m["track"] == "microphone")
        assert (await page.ask("subscribe", source="participant/p-1", track="screen-audio"))["mid"] == "0"
        await page.wait_for(lambda m: m["type"] == "slot" and m["track"] == "screen-audio")
        await page.ask("unsubscribe", source="participant/p-1", track="screen-audio")
        await page.wait_for(lambda m: m["type"] == "slot" and m["track"] == "microphone")


async def test_a_line_that_cannot_be_carried_is_not_published_and_claims_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page = await at.join("p-1")
        lines = BOTH | {"2": "screen"}
        assert await page.code("publish", sdp="no-camera no-screen", tracks=lines) == "published"
        assert page.session.sending is not None
        assert page.session.sending.names == {TrackName.MICROPHONE}
        await settled(lambda: at.rooms.rooms["room-1"].state.content is None)
        assert await page.code("unpublish", track="camera") == "wrong_state"


async def test_a_screen_is_a_claim_to_the_content(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        first, second = await at.join("p-1"), await at.join("p-2")
        screen = BOTH | {"2": "screen"}
        assert await first.code("publish", sdp="offer", tracks=screen) == "published"
        assert await second.code("publish", sdp="offer", tracks=screen) == "already_sharing"
        assert len(at.peers.publishers) == 1
        await first.ask("unpublish", track="screen")
        await settled(lambda: at.rooms.rooms["room-1"].state.content is None)
        assert await second.code("publish", sdp="offer", tracks=screen) == "published"
        assert "screen" in allowed(at, 1)


async def test_a_claim_for_an_offer_that_fails_is_given_back(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page = await at.join("p-1")
        assert await page.code("publish", sdp="bad", tracks={"0": "screen"}) == "bad_sdp"
        await settled(lambda: at.rooms.rooms["room-1"].state.content is None)
        assert page.session.sending is not None
        assert page.session.sending.peer is None


@pytest.mark.parametrize(
    ("tracks", "code"),
    [
        ({str(n): "camera" for n in range(MAX_TRACKS + 1)}, "too_many_tracks"),
        ({"0": "camera", "1": "camera"}, "bad_message"),
    ],
)
async def test_more_or_double_names_are_refused(tmp_path: Path, tracks: dict[str, str], code: str) -> None:
    async with world(tmp_path) as at:
        page = await at.join("p-1")
        assert await page.code("publish", sdp="offer", tracks=tracks) == code
        assert at.peers.publishers == []


async def test_a_later_offer_adds_and_ends_tracks(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page = await at.join("p-1")
        await page.ask("publish", sdp="offer", tracks=BOTH)
        await page.ask("publish", sdp="offer", tracks={"1": "microphone"})
        publisher = at.peers.publishers[0]
        assert [track.name for track in publisher.publication.tracks] == [TrackName.MICROPHONE]
        assert await page.code("unpublish", track="camera") == "wrong_state"
        assert await page.code("candidate", connection="publish", candidate="a=candidate:1") == "ok"
        assert await page.code("candidate", connection="publish", candidate=None) == "ok"
        assert publisher.candidates == ["a=candidate:1"]


async def test_a_fresh_publishing_connection_takes_the_place_of_the_former(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        talker, page = await at.join("p-1"), await at.join("p-2")
        await talker.ask("publish", sdp="offer", tracks=BOTH)
        await page.ask("slots", sdp="video audio")
        await page.wait_for(lambda m: m["type"] == "source" and m["state"] == "live")
        await page.ask("subscribe", source="participant/p-1", track="camera")
        await talker.ask("publish", sdp="offer", tracks=BOTH, fresh=True)
        old, new = at.peers.publishers
        assert old.ended.is_set()
        assert allowed(at, 1) == {"camera", "microphone"}
        slot = at.peers.subscribers[0].slots["0"]
        await settled(lambda: slot.track is new.publication.get(TrackName.CAMERA))
        assert await talker.all_of("connection_lost") == []


async def test_a_lost_uplink_is_told_to_page_and_room(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page, other = await at.join("p-1"), await at.join("p-2")
        await page.ask("publish", sdp="offer", tracks=BOTH)
        at.peers.publishers[0].finish(PublishEnd.SILENT)
        assert (await page.heard("connection_lost"))["connection"] == "publish"
        await other.person("p-1", lambda who: who["tracks"] == {})
        assert await page.code("candidate", connection="publish", candidate="x") == "not_connected"
        assert await page.code("publish", sdp="offer", tracks=BOTH) == "published"


async def test_what_the_publisher_tells_reaches_page_and_room(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page, other = await at.join("p-1"), await at.join("p-2")
        await page.ask("publish", sdp="offer", tracks=BOTH)
        events = at.peers.publishers[0].events
        events.on_layers_wanted(TrackName.CAMERA, frozenset({"q", "h"}))
        assert (await page.heard("layers_wanted"))["rids"] == ["h", "q"]
        events.on_notice("publish_rate_limited")
        assert (await page.heard("notice"))["code"] == "publish_rate_limited"
        for _ in range(50):
            at.clock.advance(0.02)
            events.on_level(TrackName.MICROPHONE, 10, at.clock.mono_ns())
        assert (await other.heard("speakers"))["levels"]["p-1"] > 0


async def test_own_mute_is_told_to_all(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page, other = await at.join("p-1"), await at.join("p-2")
        await page.ask("publish", sdp="offer", tracks=BOTH)
        assert await page.code("mute", track="microphone", muted=True) == "ok"
        assert at.peers.publishers[0].muted == {TrackName.MICROPHONE}
        muted: dict[str, Any] = {"is_on": False, "muted_by": "self"}
        await other.person("p-1", lambda who: who["tracks"].get("microphone") == muted)
        assert await page.code("mute", track="microphone", muted=False) == "ok"
        assert at.peers.publishers[0].muted == set()


async def test_somebody_in_the_lobby_sees_and_sends_nothing_until_admitted(tmp_path: Path) -> None:
    async with world(tmp_path, lobby=True) as at:
        chair = await at.join("p-1", Role.CHAIR)
        await chair.ask("publish", sdp="offer", tracks=BOTH)
        page, welcome = await at.open(in_room("p-2"))
        assert welcome["participant"]["is_in_lobby"] is True
        assert [each["id"] for each in welcome["participants"]] == ["p-2"]
        assert await page.code("publish", sdp="offer", tracks=BOTH) == "in_lobby"
        assert await page.code("chat", text="x") == "in_lobby"
        assert await page.code("slots", sdp="video") == "slots"
        assert await page.code("subscribe", source="participant/p-1", track="camera") == "in_lobby"
        await chair.ask("chair", action="admit", target="p-2")
        await page.wait_for(lambda m: m["type"] == "source")
        assert await page.code("subscribe", source="participant/p-1", track="camera") == "ok"
        assert await page.code("publish", sdp="offer", tracks=BOTH) == "published"


async def test_without_a_seat_there_is_no_room(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page = await at.watcher()
        assert await page.code("publish", sdp="offer", tracks=BOTH) == "not_in_room"
        assert await page.code("mute", track="camera", muted=True) == "not_in_room"
        assert await page.code("chair", action="lock") == "not_in_room"
        assert await page.code("chat", text="x") == "not_in_room"


async def test_one_leaves_and_everything_is_let_go(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page, other = await at.join("p-1"), await at.join("p-2")
        await page.ask("publish", sdp="offer", tracks=BOTH)
        await page.ask("slots", sdp="video")
        await page.ask("leave")
        assert (await page.heard("closing"))["code"] == "left"
        assert page.outgoing.close_number == 1000
        await settled(lambda: at.peers.publishers[0].ended.is_set() and at.peers.subscribers[0].ended.is_set())
        assert (await other.heard("participant_left")) == {
            "type": "participant_left",
            "participant_id": "p-1",
            "reason": "left",
        }
        assert [body["reason"] for body in at.noticed("session.ended")] == ["left"]


async def test_the_end_of_the_room_ends_the_session(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        chair, page = await at.join("p-1", Role.CHAIR), await at.join("p-2")
        await chair.ask("chair", action="end")
        told = await page.heard("closing")
        assert (told["code"], told["can_resume"], page.outgoing.close_number) == ("room_ended", False, 1000)
        await settled(lambda: len(at.directory) == 0)


async def test_a_camera_with_a_right_of_ones_own_outlives_its_place_in_the_room(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page = await at.join("p-1")
        await page.ask("slots", sdp="video")
        made = at.cameras.cameras["camera/gate"] = published_camera()
        room = at.rooms.rooms["room-1"]
        await room.act("show_camera", "system", {"camera_id": "gate", "name": "Gate", "slot": "w0"})
        await page.wait_for(lambda m: m["type"] == "source" and m["source"] == "camera/gate")
        assert await page.code("subscribe", source="camera/gate", track="video") == "ok"
        assert at.peers.subscribers[0].slots["0"].track is made.get(TrackName.VIDEO)
        await room.act("hide_camera", "system", {"target": "camera-gate"})
        assert (await page.heard("unsubscribed"))["code"] == "not_permitted"
        assert at.peers.subscribers[0].slots["0"].track is None


def published_camera() -> Any:
    from streams.publication import Publication  # noqa: PLC0415

    made = Publication("camera/gate")  # type: ignore[arg-type]
    made.put(published(TrackName.VIDEO))
    return made

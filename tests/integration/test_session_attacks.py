"""What crafted clients try at the gate of a running hub, while others meet: none of it gets anywhere.

Everybody here is what a browser is to the hub: a socket, ICE, DTLS, SRTP. Every packet carries whose it is and its
number, so that "nothing is forwarded" means not one packet.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any, get_args

import pytest
from websockets.exceptions import ConnectionClosed

from streams.session.codes import ERROR_CODES
from streams.session.messages import ACTION_FIELDS, ChairAction
from tests.hub_process import HubProcess
from tests.integration.fixtures_attack import (
    Track,
    line,
    offered,
    person,
    publish,
    receiving,
    subscribed,
    watch,
)
from tests.integration.fixtures_attacked import Place, attacked_hub, meeting, room, undisturbed

pytestmark = pytest.mark.timeout(180)

SDP = {"Content-Type": "application/sdp"}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    with attacked_hub(tmp_path_factory.mktemp("hub")) as running:
        yield running


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# --- tokens -----------------------------------------------------------------------------------------------------------


async def refusal(hub: HubProcess, **hello: Any) -> tuple[str, int]:
    async with line(hub) as page:
        return await page.code("hello", protocol=1, **hello), await page.end()


async def test_tokens_expired_used_of_another_room_or_of_somebody_logged_out(hub: HubProcess) -> None:
    place, other = room(hub, members=[{"user_id": "li"}]), room(hub)
    used, expired = place.guest(), place.guest()
    async with line(hub, token=used["token"]):
        pass
    assert await refusal(hub, token=used["token"]) == ("token_used", 4001)
    assert await refusal(hub, resume=used["token"]) == ("resume_unknown", 4001)
    with sqlite3.connect(hub.data_dir / "xiangyun.db", timeout=10) as database:
        database.execute(
            "UPDATE session_tokens SET expires_us = issued_us WHERE participant_id = ?", [expired["participant_id"]]
        )
    assert await refusal(hub, token=expired["token"]) == ("token_expired", 4001)
    for token, where in ((place.guest()["token"], other.id), (hub.post("/sessions", {})["token"], place.id)):
        answer = hub.http.post(f"/api/v1/rooms/{where}/whip", content=b"v=0\r\n", headers={**SDP, **bearer(token)})
        assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")
    with person(hub, "li") as li:
        mine = place.join(li)
        assert li.post("/api/v1/auth/logout", json={}).status_code < 300
    assert await refusal(hub, token=mine["token"]) == ("token_invalid", 4001)


async def test_nobody_takes_the_seat_or_the_session_of_another(hub: HubProcess) -> None:
    place = room(hub, members=[{"user_id": "li"}, {"user_id": "wang"}])
    with person(hub, "li") as li, person(hub, "wang") as wang:
        async with line(hub, token=place.join(li)["token"]) as page:
            mine = page.welcome["participant"]["id"]
            thieves = (place.join(wang, participant_id=mine), place.guest(participant_id=mine))
            assert mine not in {thief["participant_id"] for thief in thieves}
            body = {"action": "rename", "name": "贼", "participant_id": mine}
            answer = wang.post(f"/api/v1/rooms/{place.id}/chair", json=body)
            assert (answer.status_code, answer.json()["code"]) == (403, "not_in_room")
            assert await page.code("ping", t=1) == "pong"
        guest = place.guest("编码器")
        _, offer = await offered("whip", "camera", "microphone")
        path = f"/api/v1/rooms/{place.id}/whip"
        began = hub.http.post(path, content=offer, headers={**SDP, **bearer(guest["token"])})
        assert began.status_code == 201, began.text
        strangers = (
            wang.headers["Authorization"],
            hub.http.headers["Authorization"],
            f"Bearer {place.guest()['token']}",
        )
        for header in strangers:
            gone = hub.http.delete(began.headers["Location"], headers={"Authorization": header})
            assert (gone.status_code, gone.json()["code"]) == (404, "session_not_found")
        assert hub.http.delete(began.headers["Location"], headers=bearer(guest["token"])).status_code == 204


# --- what an attendee may not -----------------------------------------------------------------------------------------


async def test_who_is_muted_by_the_chair_is_not_heard_whatever_is_sent(hub: HubProcess) -> None:
    async with meeting(hub) as scene:
        await scene.chair.do("mute", target=scene.talker_id)
        last = scene.up.track("microphone").number
        await scene.down.advances("talk/c", 50)
        assert await scene.talker.code("mute", track="microphone", muted=False) == "not_your_turn"
        names = scene.up.names
        for tracks in (names, {mid: names[other] for mid, other in zip(names, reversed(names), strict=True)}):
            await scene.talker.code("publish", sdp=scene.up.pc.localDescription.sdp, tracks=tracks)
        await scene.talker.code("unpublish", track="microphone")
        fresh = await publish(scene.talker, "again", "camera", "microphone")
        await subscribed(scene.chair, scene.source)  # with its names exchanged, nothing was published for a moment
        await scene.down.advances("again/c", 50)
        assert scene.down.highest["talk/m"] <= last, "not one packet sent after the chair's word"
        assert "again/m" not in scene.down.count
        await scene.chair.do("unmute", target=scene.talker_id)
        assert await scene.talker.code("mute", track="microphone", muted=False) == "ok"
        await scene.down.advances("again/m")
        await fresh.close()


async def test_a_muted_voice_is_not_heard_as_the_sound_of_a_screen_either(hub: HubProcess) -> None:
    async with meeting(hub) as scene:
        shared = await publish(scene.talker, "trick", "screen", "screen-audio")
        for track in ("screen", "screen-audio"):
            await subscribed(scene.chair, scene.source, track)
        for mark in ("trick/v", "trick/a"):
            await scene.down.advances(mark)
        await scene.chair.do("mute", target=scene.talker_id)
        last = shared.track("screen-audio").number
        await scene.down.advances("trick/v", 50)
        assert scene.down.highest["trick/a"] <= last
        await shared.close()


async def test_nothing_is_shared_by_who_may_not_or_while_another_does(hub: HubProcess) -> None:
    async with meeting(hub) as scene, line(hub, token=scene.place.guest("第二个")["token"]) as second:
        await scene.chair.do("set_speech", speech="floor")
        up = await publish(second, "share", "camera")
        camera = up.track("camera")
        up.tracks.append(Track("screen", b"share/v ", "9", camera.ssrc ^ 0x5A5A, camera.payload_type))
        both, offer = await offered("both", "camera", "screen")
        source = f"participant/{second.welcome['participant']['id']}"
        for more in ({}, {"fresh": True}):
            assert await second.code("publish", sdp=offer, tracks=both.names, **more) == "not_permitted"
        await subscribed(scene.chair, source, "camera")
        await scene.down.advances("share/c", 50)
        await subscribed(scene.chair, source, "screen")
        await scene.chair.do("set_speech", speech="open")
        mine = await publish(scene.chair, "chair", "screen")
        for more in ({}, {"fresh": True}):
            assert await second.code("publish", sdp=offer, tracks=both.names, **more) == "already_sharing"
        await scene.down.advances("share/c")
        assert "share/v" not in scene.down.count, "a line without a name goes nowhere"
        for each in (up, mine):
            await each.close()


async def test_names_that_are_not_ones_own_and_lines_of_the_wrong_kind_are_refused(hub: HubProcess) -> None:
    async with meeting(hub) as scene, line(hub, token=scene.place.guest("冒名")["token"]) as page:
        up, offer = await offered("bad", "camera", "microphone")
        mids = list(up.names)
        tries: list[tuple[dict[str, Any], set[str]]] = [
            ({mids[0]: "video", mids[1]: "audio"}, {"bad_message"}),
            ({mids[0]: f"{scene.source}/camera"}, {"bad_message"}),
            ({mids[0]: "camera", mids[1]: "camera"}, {"bad_message"}),
            ({f"x{n}": "camera" for n in range(9)}, {"bad_message", "too_many_tracks"}),
            ({mids[0]: 7}, {"bad_message"}),
        ]
        for tracks, codes in tries:
            assert await page.code("publish", sdp=offer, tracks=tracks) in codes, tracks
        more = {"source": scene.source, "participant_id": scene.talker_id}
        for tracks in (dict(zip(mids, ("microphone", "camera"), strict=True)), {"no-such-mid": "camera"}):
            answer = await page.ask("publish", sdp=offer, tracks=tracks, **more)
            ports = [text.split()[1] for text in answer["sdp"].splitlines() if text.startswith("m=")]
            assert ports == ["0", "0"], answer
        assert await page.code("unpublish", track="screen") == "wrong_state"
        await scene.flows()
        await up.close()


async def test_only_what_the_room_shows_is_watched(hub: HubProcess) -> None:
    async with meeting(hub) as scene, meeting(hub) as elsewhere:
        page = elsewhere.talker
        sources = {
            scene.source: "not_permitted",
            elsewhere.source: "not_permitted",
            "participant/p-nobody": "not_permitted",
            "camera/gate": "source_not_found",
            "camera/no-such": "source_not_found",
        }
        down = await watch(page)
        for source, code in sources.items():
            for track in ("camera", "screen", "microphone", "video"):
                grant = {"id": "x", "source": source, "slot": "w0"}
                assert await page.code("subscribe", source=source, track=track, grant=grant, slot="w0") == code
            assert await page.code("quality", source=source, track="camera", width=1, height=1) in ERROR_CODES - {
                "internal"
            }
            assert await page.code("unsubscribe", source=source, track="camera") in {"ok", "wrong_state"}
        assert await page.code("subscribe", source="../camera/gate", track="video") == "bad_message"
        voice = f"participant/{elsewhere.chair.welcome['participant']['id']}"
        assert await page.code("subscribe", source=voice, track="microphone") == "not_permitted"
        for frame in (
            {"open": {"session_id": "x"}},
            {"revoke": {}},
            {"page": {"type": "ping"}, "grant": {}},
            {"api": {"type": "ended"}},
        ):
            await page.socket.send(json.dumps(frame))
        assert await page.code("ping", t=1) == "pong"
        assert down.count == {}
        await scene.flows()
        await down.close()


FIELDS: dict[str, Any] = {
    "speech": "floor", "has_lobby": True, "role": "speaker", "state": "present", "head_count": 3, "name": "我",
}  # fmt: skip
OWN = {"apply", "withdraw", "floor_request", "floor_withdraw", "floor_release", "set_head_count", "rename"}
"""What anybody may do, about oneself."""


async def test_an_attendee_does_nothing_a_chair_does_by_socket_or_by_http(hub: HubProcess) -> None:
    async with meeting(hub, members=[{"user_id": "li"}]) as scene:
        with person(hub, "li") as li:
            async with line(hub, token=scene.place.join(li)["token"]) as page:
                before, guest = hub.get(f"/rooms/{scene.place.id}"), scene.place.guest()
                target = scene.chair.welcome["participant"]["id"]
                for action in sorted(set(get_args(ChairAction)) - OWN):
                    required, _ = ACTION_FIELDS[action]
                    body = {"action": action} | {name: FIELDS.get(name, target) for name in required}
                    assert await page.code("chair", **body) in {"not_chair", "not_permitted", "wrong_state"}, action
                    answer = li.post(f"/api/v1/rooms/{scene.place.id}/chair", json=body)
                    assert answer.status_code in {403, 409}, (action, answer.text)
                    for header in (bearer("x"), bearer(guest["token"])):
                        answer = li.post(f"/api/v1/rooms/{scene.place.id}/chair", json=body, headers=header)
                        assert answer.status_code == 401, action
                assert (
                    await page.code("chair", action="rename", name="新名", target=target, participant_id=target) == "ok"
                )
                assert await page.code("chair", action="set_head_count", head_count=9, target=target) == "ok"
                for action, code in (("end", 403), ("cameras/gate", 403)):
                    assert li.post(f"/api/v1/rooms/{scene.place.id}/{action}").status_code == code
                assert li.patch(f"/api/v1/rooms/{scene.place.id}", json={"name": "x"}).status_code == 403
                after = hub.get(f"/rooms/{scene.place.id}")
                assert after | {"participants": 0} == before | {"participants": 0}
                state = await page.ask("chair", action="apply")
                assert state["type"] == "ok"
        told = [one for one in scene.chair.heard("participant") if one["participant"]["id"] == target]
        assert all(one["participant"]["name"] != "新名" for one in told)
        await scene.flows()


async def test_who_waits_in_the_lobby_sees_hears_says_and_sends_nothing(hub: HubProcess) -> None:
    async with AsyncExitStack() as stack:
        place = room(hub, lobby=True, members=[{"user_id": "li"}])
        chair = await stack.enter_async_context(line(hub, token=place.join()["token"]))
        up = await publish(chair, "chair", "camera", "microphone")
        stack.push_async_callback(up.close)
        page = await stack.enter_async_context(line(hub, token=place.guest("等")["token"]))
        assert page.welcome["participant"]["is_in_lobby"] is True
        assert [one["id"] for one in page.welcome["participants"]] == [page.welcome["participant"]["id"]]
        assert page.welcome["sources"] == []
        source = f"participant/{chair.welcome['participant']['id']}"
        crafted, offer = await offered("lobby", "camera", "microphone")
        assert await page.code("publish", sdp=offer, tracks=crafted.names) == "in_lobby"
        down = await watch(page)
        stack.push_async_callback(down.close)
        assert await page.code("subscribe", source=source, track="camera") == "in_lobby"
        assert await page.code("chat", text="hello") == "in_lobby"
        for action in ("apply", "floor_request", "rename"):
            assert await page.code("chair", action=action, name="x") == "in_lobby"
        assert await watched_over_http(place, source) == ["in_lobby"] * 2
        assert down.count == {}
        assert not page.heard("speakers")
        assert not page.heard("participants")
        await chair.do("admit", target=page.welcome["participant"]["id"])
        await subscribed(page, source)
        await down.advances("chair/c")


async def watched_over_http(place: Place, source: str) -> list[str]:
    """Try to get around the door by WHEP: with a join token, and logged in; return the codes."""
    codes = []
    with person(place.hub, "li") as li:
        for header in (f"Bearer {place.guest('绕')['token']}", li.headers["Authorization"]):
            down, offer = await receiving(1, 1)
            headers = {**SDP, "Authorization": header}
            path = f"/api/v1/rooms/{place.id}/whep"
            answer = place.hub.http.post(path, params={"source": source}, content=offer, headers=headers)
            codes.append("watching" if answer.status_code == 201 else str(answer.json()["code"]))
            await down.close()
    return codes


async def test_a_locked_room_is_locked_for_whep_too_and_so_is_one_for_who_was_removed(hub: HubProcess) -> None:
    async with meeting(hub, members=[{"user_id": "li"}]) as scene:
        with person(hub, "li") as li:
            seat = scene.place.join(li)
            async with line(hub, token=seat["token"]) as page:
                await scene.chair.do("remove", target=seat["participant_id"])
                assert await page.end() == 4003
            _, offer = await receiving(1, 1)
            path, params = f"/api/v1/rooms/{scene.place.id}/whep", {"source": scene.source}
            answer = li.post(path, params=params, content=offer, headers=SDP)
            assert (answer.status_code, answer.json()["code"]) == (403, "in_lobby")
        await scene.chair.do("lock")
        assert await watched_over_http(scene.place, scene.source) == ["room_locked", "in_lobby"]
        await scene.flows()


# --- what is malformed ------------------------------------------------------------------------------------------------


def sdp_of(lines: int, *, codec: str = "H266/90000", number: int = 96) -> str:
    head = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-ufrag:abcd\r\na=ice-pwd:" + "x" * 24 + "\r\n"
    head += "a=fingerprint:sha-256 " + ":".join(["AA"] * 32) + "\r\na=setup:actpass\r\n"
    one = f"m=video 9 UDP/TLS/RTP/SAVPF {number}\r\na=mid:{{}}\r\na=rtcp-mux\r\na=sendrecv\r\na=rtpmap:{number} {codec}\r\n"
    return head + "".join(one.format(index) for index in range(lines))


MALFORMED = {
    "nothing": ("", {"bad_sdp", "bad_message"}),
    "no media": (sdp_of(0), {"bad_sdp"}),
    "10 000 lines": (sdp_of(10_000), {"too_long", "bad_sdp", "too_many_tracks", "sdp_too_long", "body_too_large"}),
    "2 000 lines": (sdp_of(2_000), {"bad_sdp", "too_many_tracks"}),
    "codecs we lack": (sdp_of(1), {"codec_unsupported"}),
    "zeros": ("\0" * 5000, {"bad_sdp", "bad_message"}),
    "one long line": ("v=0\r\na=" + "a" * 200_000, {"bad_sdp"}),
}


@pytest.mark.parametrize("kind", MALFORMED)
async def test_malformed_offers_are_refused_at_all_four_doors(hub: HubProcess, kind: str) -> None:
    sdp, codes = MALFORMED[kind]
    place = room(hub)
    async with line(hub, token=place.guest()["token"]) as page:
        mine = f"participant/{page.welcome['participant']['id']}"
        for frame in ({"type": "publish", "tracks": {"0": "camera"}}, {"type": "slots"}):
            assert await page.refused({"id": 1_000_000, **frame, "sdp": sdp}) in codes, frame["type"]
        for door in ("whip", f"whep?source={mine}"):
            path = f"/api/v1/rooms/{place.id}/{door}"
            answer = hub.http.post(path, content=sdp.encode(), headers=SDP)
            more = {"not_permitted", "source_offline"} if door != "whip" else set()
            assert 400 <= answer.status_code < 500 or answer.json()["code"] in more, answer.text
            assert answer.json()["code"] in codes | more | {"empty_body"}, answer.text
        assert await page.code("ping", t=1) == "pong"


async def test_a_line_of_a_codec_we_lack_is_rejected_alone(hub: HubProcess) -> None:
    async with line(hub, token=room(hub).guest()["token"]) as page:
        up, offer = await offered("mixed", "camera", "screen")
        first, second = offer.index("m=video"), offer.rindex("m=video")
        broken = offer[:second] + offer[second:].replace("VP8/90000", "AV9/90000").replace("H264/90000", "H299/90000")
        answer = await page.ask("publish", sdp=broken, tracks=up.names)
        assert answer["type"] == "published", answer
        ports = [text.split()[1] for text in answer["sdp"].splitlines() if text.startswith("m=")]
        assert (ports[0] != "0", ports[1], first < second) == (True, "0", True)
        await up.close()


async def test_frames_that_are_too_long_are_told_so_and_those_without_end_close(hub: HubProcess) -> None:
    async with (
        line(hub, token=room(hub).guest()["token"]) as page,
        line(hub, token=hub.post("/sessions", {})["token"]) as calm,
    ):
        assert await page.code("chat", text="x" * 2001) == "too_long"
        assert await page.refused({"type": "report", "pad": "x" * 70_000}) == "too_long"
        assert await page.refused({"type": "publish", "id": 1, "sdp": "x" * 300_000, "tracks": {}}) == "too_long"
        assert await page.code("ping", t=1) == "pong"
        with contextlib.suppress(ConnectionClosed):
            await page.socket.send("x" * 5_000_000)
        assert await page.end() == 1009
        assert await calm.code("ping", t=1) == "pong"


def test_after_all_that_no_process_has_ended_and_nothing_failed(hub: HubProcess) -> None:
    undisturbed(hub)

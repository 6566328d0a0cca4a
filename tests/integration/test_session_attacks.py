"""What crafted clients try at the gate and the media port of a running hub, while others meet: none of it gets anywhere.

Everybody here is what a browser is to the hub: a socket, ICE, DTLS, SRTP. Every packet carries whose it is and its
number, so that "nothing is forwarded" means not one packet.
"""

import asyncio
import contextlib
import json
import random
import socket
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, get_args

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from streams.session.codes import ERROR_CODES
from streams.session.messages import ACTION_FIELDS, ChairAction
from tests.hub_process import HubProcess
from tests.integration.fixtures_attack import (
    PASSWORD,
    Downlink,
    Line,
    Track,
    Uplink,
    line,
    offered,
    person,
    publish,
    receiving,
    subscribed,
    until,
    watch,
)
from tests.integration.fixtures_garbage import datagrams

pytestmark = pytest.mark.timeout(180)

SDP = {"Content-Type": "application/sdp"}
SEED = 20_261_123


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub with a village, two villagers who may not look at cameras, and a camera."""
    with HubProcess(tmp_path_factory.mktemp("hub"), env={"XIANGYUN_PUBLIC_ADDRESSES": "127.0.0.1"}) as running:
        running.login()
        running.root_org()
        running.post("/orgs", {"id": "village", "name": "村", "level": "village", "parent_id": running.root_org()})
        for name in ("li", "wang"):
            account = {"id": name, "username": name, "password": PASSWORD, "roles": ["auditor"], "org_id": "village"}
            running.post("/users", account)
        running.add_camera("gate", "rtsp://127.0.0.1:9/none")
        yield running


@dataclass
class Place:
    """A room."""

    hub: HubProcess
    id: str
    passcode: str
    invite: str

    def join(self, client: httpx.Client | None = None, **body: Any) -> dict[str, Any]:
        """Take a seat, as the administrator unless another client asks."""
        answer = (client or self.hub.http).post(f"/api/v1/rooms/{self.id}/join", json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def guest(self, name: str = "客", **body: Any) -> dict[str, Any]:
        """Take a seat by invitation."""
        with httpx.Client(base_url=self.hub.url, timeout=20) as client:
            return self.join(client, display_name=name, invite=self.invite, passcode=self.passcode, **body)


def room(hub: HubProcess, **more: Any) -> Place:
    made = hub.post("/rooms", {"name": "例会", **more})
    invite = hub.get(f"/rooms/{made['id']}/invite")
    return Place(hub, made["id"], invite["passcode"], invite["url"].partition("invite=")[2])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@dataclass
class Scene:
    """A meeting: the chair watches and listens, an attendee publishes, packets flow."""

    place: Place
    chair: Line
    talker: Line
    up: Uplink
    down: Downlink

    @property
    def talker_id(self) -> str:
        return str(self.talker.welcome["participant"]["id"])

    @property
    def source(self) -> str:
        return f"participant/{self.talker_id}"

    async def flows(self, by: int = 20) -> None:
        """Assert that picture and sound of the attendee go on arriving."""
        await self.down.advances("talk/c", by)
        await self.down.advances("talk/m", by)


@asynccontextmanager
async def meeting(hub: HubProcess, **more: Any) -> AsyncIterator[Scene]:
    place = room(hub, **more)
    async with AsyncExitStack() as stack:
        chair = await stack.enter_async_context(line(hub, token=place.join()["token"]))
        talker = await stack.enter_async_context(line(hub, token=place.guest("说话的")["token"]))
        up = await publish(talker, "talk", "camera", "microphone")
        stack.push_async_callback(up.close)
        down = await watch(chair)
        stack.push_async_callback(down.close)
        scene = Scene(place, chair, talker, up, down)
        await subscribed(chair, scene.source)
        await scene.flows()
        yield scene


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


# --- who floods -------------------------------------------------------------------------------------------------------


async def test_a_flood_of_messages_closes_its_own_socket_only(hub: HubProcess) -> None:
    async with meeting(hub) as scene, line(hub, token=scene.place.guest()["token"]) as page:
        with contextlib.suppress(ConnectionClosed):
            for number in range(5000):
                await page.socket.send(json.dumps({"type": "chat", "id": number, "text": "x" * 100}))
        assert await page.end() == 4008
        closing = page.heard("closing")[0]
        assert (closing["code"], closing["can_resume"]) == ("too_fast", True)
        assert await scene.talker.code("ping", t=1) == "pong"
        await scene.flows()


async def test_a_page_that_never_reads_is_closed_and_the_others_go_on(hub: HubProcess) -> None:
    async with meeting(hub) as scene, AsyncExitStack() as stack:
        deaf = await asyncio.to_thread(DeafPage, hub, scene.place.guest("聋")["token"])
        stack.callback(deaf.socket.close)
        others = [await stack.enter_async_context(line(hub, token=scene.place.guest()["token"])) for _ in range(6)]
        deadline = time.monotonic() + 60
        while not is_away(scene.chair, deaf.participant_id):
            assert time.monotonic() < deadline, "the page that never reads stays"
            said = await asyncio.gather(*(other.code("chat", text="字" * 2000) for other in others))
            assert set(said) <= {"ok", "too_fast"}
            await asyncio.sleep(0.03)
        assert await asyncio.to_thread(deaf.close_code) == 4008
        await scene.flows()


def is_away(page: Line, participant_id: str) -> bool:
    told = [one["participant"] for one in page.heard("participant")]
    told += [one for message in page.heard("participants") for one in message["participants"]]
    mine = [one for one in told if one["id"] == participant_id]
    gone = [one for one in page.heard("participant_left") if one["participant_id"] == participant_id]
    return bool(gone) or bool(mine and not mine[-1]["is_online"])


class DeafPage:
    """A WebSocket made of a bare socket with a small buffer, which is not read after the welcome."""

    def __init__(self, hub: HubProcess, token: str) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", hub.port))
        head = f"GET /api/v1/session HTTP/1.1\r\nHost: 127.0.0.1:{hub.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        self.socket.sendall(head.encode())
        self._rest = b""
        while b"\r\n\r\n" not in self._rest:
            self._rest += self.socket.recv(1)
        self._rest = b""
        self._say({"type": "hello", "id": 1, "protocol": 1, "token": token})
        welcome = json.loads(self._frame()[1])
        assert welcome["type"] == "welcome", welcome
        self.participant_id = welcome["participant"]["id"]

    def _say(self, message: dict[str, Any]) -> None:
        body = json.dumps(message).encode()
        size = bytes([0x80 | len(body)]) if len(body) < 126 else b"\xfe" + len(body).to_bytes(2, "big")
        self.socket.sendall(b"\x81" + size + bytes(4) + body)

    def _take(self, count: int) -> bytes:
        while len(self._rest) < count:
            got = self.socket.recv(1 << 16)
            if not got:
                raise ConnectionError
            self._rest += got
        found, self._rest = self._rest[:count], self._rest[count:]
        return found

    def _frame(self) -> tuple[int, bytes]:
        first, second = self._take(2)
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(self._take(2 if size == 126 else 8), "big")
        return first & 0x0F, self._take(size)

    def close_code(self) -> int:
        """Read at last, to the end; return the number in the close frame, 0 without one."""
        try:
            while True:
                kind, body = self._frame()
                if kind == 8:
                    return int.from_bytes(body[:2], "big")
        except OSError:
            return 0


# --- the media port ---------------------------------------------------------------------------------------------------


async def spray(target: tuple[str, int], sender: socket.socket, frames: Iterator[bytes]) -> int:
    """Send datagrams from a socket, about two thousand a second; return how many."""
    count = 0
    for count, frame in enumerate(frames, 1):
        with contextlib.suppress(BlockingIOError):
            sender.sendto(frame, target)
        if count % 20 == 0:
            await asyncio.sleep(0.01)
    return count


async def test_garbage_at_the_media_port_and_from_a_peers_own_address_disturbs_nobody(hub: HubProcess) -> None:
    async with meeting(hub) as scene:
        pids, quiet = hub.pids(), scene.down.count["talk/c"]
        own, target = scene.up.way
        last = {name: scene.down.highest[name] for name in ("talk/c", "talk/m")}
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.setblocking(False)
            forged = [*forgeries(scene.up), *datagrams(SEED, 1500)]
            await asyncio.gather(
                spray(target, stranger, datagrams(SEED, 3000)),
                spray(target, own, iter([frame for frame in forged if frame])),
            )
        at = {track.name: track.number for track in scene.up.tracks}
        await until(lambda: scene.down.highest["talk/c"] > at["camera"], "packets sent after the garbage")
        await until(lambda: scene.down.highest["talk/m"] > at["microphone"], "sound sent after the garbage")
        sent = at["camera"] - last["talk/c"]
        assert scene.down.count["talk/c"] - quiet >= 0.7 * sent, "little is lost meanwhile"
        assert scene.down.count["talk/c"] <= scene.up.track("camera").number, "nothing is forwarded twice"
        assert not scene.talker.heard("connection_lost")
        assert not scene.chair.heard("connection_lost")
        assert hub.pids() == pids


def forgeries(up: Uplink) -> Iterator[bytes]:
    """Yield what somebody would send who can forge the publisher's address, but has no keys."""
    dice = random.Random(SEED)
    track = up.track("camera")
    for _ in range(300):
        plain = up.packet(track)
        track.number -= 1
        yield plain + dice.randbytes(16)
        yield bytes([0x80, 200, 0, 6]) + track.ssrc.to_bytes(4, "big") + dice.randbytes(40)
    yield bytes([21, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 1, 0])  # DTLS: close_notify in the clear
    yield bytes([21, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2, 40])  # DTLS: fatal alert in the clear
    yield bytes([22, 0xFE, 0xFD]) + bytes(7) + b"\x01\x00" + dice.randbytes(200)
    for kind in (0x0001, 0x0101, 0x0111, 0x0011):
        yield (
            kind.to_bytes(2, "big")
            + b"\x00\x08\x21\x12\xa4\x42"
            + dice.randbytes(12)
            + b"\x80\x2a\x00\x04"
            + dice.randbytes(4)
        )


async def test_captured_packets_sent_again_by_anybody_are_not_forwarded_again(hub: HubProcess) -> None:
    async with meeting(hub) as scene:
        transport = scene.up.transport.transport
        captured: list[bytes] = []
        send = transport._send

        async def note(data: bytes) -> None:
            captured.append(data)
            await send(data)

        transport._send = note
        await scene.down.advances("talk/c", 100)
        transport._send = send
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for frame in captured:
                stranger.sendto(frame, scene.up.way[1])
                await send(frame)
        await scene.flows(50)
        for name, mark in (("camera", "talk/c"), ("microphone", "talk/m")):
            assert scene.down.count[mark] <= scene.up.track(name).number


FAST_BPS = 50_000_000
LIMIT_BPS = 20_000_000
FAST_S = 4


async def test_a_publisher_of_50_mbit_s_is_bounded_and_others_do_not_suffer(hub: HubProcess) -> None:
    async with AsyncExitStack() as stack:
        scene = await stack.enter_async_context(meeting(hub))
        page = await stack.enter_async_context(line(hub, token=scene.place.guest("快")["token"]))
        fast = await publish(page, "fast", "camera")
        viewer = await stack.enter_async_context(line(hub, token=scene.place.guest("看")["token"]))
        seen = await watch(viewer, 1, 0)
        stack.push_async_callback(seen.close)
        await subscribed(viewer, f"participant/{page.welcome['participant']['id']}")
        await seen.advances("fast/c")
        assert fast.sending is not None
        fast.sending.cancel()
        track, transport = fast.track("camera"), fast.transport
        size = 1100
        count = FAST_BPS * FAST_S // 8 // size
        frames = [transport._tx_srtp.protect(fast.packet(track, size)) for _ in range(count)]
        before, quiet = seen.count["fast/c"], dict(scene.down.count)
        at = {each.name: each.number for each in scene.up.tracks}
        took_s = await asyncio.to_thread(blast, fast.way, frames)
        await until(lambda: page.heard("notice"), "the notice")
        assert page.heard("notice")[0]["code"] == "publish_rate_limited"
        passed_bits = (seen.count["fast/c"] - before) * size * 8
        print(f"{took_s:.1f} s, {passed_bits / took_s / 1e6:.1f} Mbit/s passed")
        assert passed_bits <= LIMIT_BPS * (took_s + 1.5), "20 Mbit/s and a second of burst"
        await scene.flows()
        sent = {each.name: each.number - at[each.name] for each in scene.up.tracks}
        for name, mark in (("camera", "talk/c"), ("microphone", "talk/m")):
            assert scene.down.count[mark] - quiet[mark] >= 0.6 * sent[name], name
        await fast.close()


def blast(way: tuple[socket.socket, tuple[str, int]], frames: list[bytes]) -> float:
    """Send frames at 50 Mbit/s; return how long it took."""
    sock, target = way
    began = time.monotonic()
    for number, frame in enumerate(frames):
        with contextlib.suppress(BlockingIOError):
            sock.sendto(frame, target)
        if number % 50 == 49:
            due = began + (number + 1) * len(frame) * 8 / FAST_BPS
            time.sleep(max(0.0, due - time.monotonic()))
    return time.monotonic() - began


# --- the crowd --------------------------------------------------------------------------------------------------------


async def test_two_hundred_joins_at_once_are_seated_or_told_why_while_a_meeting_goes_on(hub: HubProcess) -> None:
    async with meeting(hub) as scene:
        crowd = room(hub)
        began = dict(scene.down.count)
        at = {each.name: each.number for each in scene.up.tracks}
        limits = httpx.Limits(max_connections=40)
        async with httpx.AsyncClient(base_url=hub.url, timeout=60, limits=limits) as client:
            body = {"invite": crowd.invite, "passcode": crowd.passcode}

            async def come(number: int) -> str:
                path = f"/api/v1/rooms/{crowd.id}/join"
                answer = await client.post(path, json={**body, "display_name": f"客{number}"})
                if answer.status_code != 200:
                    return str(answer.json()["code"])
                async with line(hub) as page:
                    return await page.code("hello", protocol=1, token=answer.json()["token"])

            outcomes = await asyncio.gather(*(come(number) for number in range(200)))
        assert set(outcomes) <= {"welcome", "rate_limited", "room_full", "too_many_sessions", "worker_unavailable"}
        assert outcomes.count("welcome") >= 100
        await scene.flows()
        assert not scene.chair.heard("connection_lost")
        sent = {each.name: each.number - at[each.name] for each in scene.up.tracks}
        for name, mark in (("camera", "talk/c"), ("microphone", "talk/m")):
            assert scene.down.count[mark] - began[mark] >= 0.6 * sent[name], name


def test_after_all_that_no_process_has_ended_and_nothing_failed(hub: HubProcess) -> None:
    log = hub.log_path.read_text(errors="replace")
    assert "Traceback" not in log
    assert "child ended" not in log
    assert hub.http.get("/readyz").status_code == 200

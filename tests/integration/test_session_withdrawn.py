"""How soon what runs in sessions ends when the right is gone: by the last packet that came, counted from the change."""

import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import httpx
import pytest

from tests.hub_process import HubProcess, wait_for
from tests.integration.fixtures_attack import (
    PASSWORD,
    Downlink,
    Line,
    Uplink,
    line,
    person,
    publish,
    subscribed,
    until,
    watch,
)
from tests.integration.fixtures_live import CAMERA_PASSWORD, simulator

pytestmark = pytest.mark.timeout(180)

PROMISE_S = 5.0
"""What may no longer be seen, heard or said ends within five seconds."""

PEOPLE = ("dan", "fei", "gao", "hua")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub with a camera and villagers who may look at it."""
    env = {"XIANGYUN_PUBLIC_ADDRESSES": "127.0.0.1"}
    with simulator(1) as url, HubProcess(tmp_path_factory.mktemp("hub"), env=env) as running:
        running.login()
        org = running.root_org()
        for name in PEOPLE:
            account = {"id": name, "username": name, "password": PASSWORD, "roles": ["operator"], "org_id": org}
            running.post("/users", account)
        running.add_camera("gate", url.replace("rtsp://", f"rtsp://operator:{CAMERA_PASSWORD}@"))
        running.wait_online("gate")
        yield running


@dataclass
class Scene:
    """A villager in a room with the administrator, each sending and watching, and on a wall with the camera."""

    hub: HubProcess
    room: str
    chair: Line
    seat: Line
    wall: Line
    up: Uplink
    down: Downlink
    """What the administrator is sent."""
    own: Downlink
    """What the villager is sent in the room."""
    pictures: Downlink
    client: httpx.Client
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def villager(self) -> str:
        return str(self.seat.welcome["participant"]["id"])


async def scene(stack: AsyncExitStack, hub: HubProcess, name: str, role: str = "attendee") -> Scene:
    members = [{"user_id": name, "role": role}, {"user_id": "hua"}]
    room = str(hub.post("/rooms", {"name": "例会", "members": members})["id"])
    client = stack.enter_context(person(hub, name))

    def token(path: str, who: httpx.Client) -> str:
        answer = who.post(f"/api/v1{path}", json={})
        assert answer.status_code in {200, 201}, answer.text
        return str(answer.json()["token"])

    join = f"/rooms/{room}/join"
    chair = await stack.enter_async_context(line(hub, token=token(join, hub.http)))
    seat = await stack.enter_async_context(line(hub, token=token(join, client)))
    wall = await stack.enter_async_context(line(hub, token=token("/sessions", client)))
    ups = [await publish(chair, "chair", "camera", "microphone"), await publish(seat, "folk", "camera", "microphone")]
    downs = [await watch(chair, 2, 2), await watch(seat, 2, 2), await watch(wall, 1, 0)]
    for up in ups:
        stack.push_async_callback(up.close)
    for down in downs:
        stack.push_async_callback(down.close)
    made = Scene(hub, room, chair, seat, wall, ups[1], *downs, client, stack)
    await subscribed(chair, f"participant/{made.villager}")
    await subscribed(seat, f"participant/{chair.welcome['participant']['id']}")
    await subscribed(wall, "camera/gate", "video")
    for mark in ("folk/c", "folk/m"):
        await downs[0].advances(mark, 10)
    for mark in ("chair/c", "chair/m"):
        await downs[1].advances(mark, 10)
    await until(lambda: downs[2].packets > 10, "the camera's pictures")
    return made


async def ends(since: float, *lasts: Callable[[], float]) -> list[float]:
    """Return how long after `since` each of these last happened, once none has for 1.5 s."""
    await until(lambda: all(time.monotonic() - max(last(), since) > 1.5 for last in lasts), "it ends", PROMISE_S + 10)
    return [max(0.0, last() - since) for last in lasts]


def of(down: Downlink, *marks: str) -> Callable[[], float]:
    return lambda: max(down.last_s.get(mark, 0.0) for mark in marks)


def say(what: str, took: list[float]) -> None:
    print(f"{what}: " + ", ".join(f"{each:.2f}" for each in took) + " s")


async def test_a_disabled_user_is_gone_from_room_and_wall(hub: HubProcess) -> None:
    async with AsyncExitStack() as stack:
        it = await scene(stack, hub, "dan")
        since = time.monotonic()
        assert hub.http.patch("/api/v1/users/dan", json={"enabled": False}).status_code == 200
        took = await ends(
            since, of(it.down, "folk/c", "folk/m"), of(it.own, "chair/c", "chair/m"), lambda: it.pictures.last_packet_s
        )
        closed = [
            (await each.end(), each.heard("closing")[0]["code"], each.closed_s - since) for each in (it.seat, it.wall)
        ]
        say("user disabled: own, heard, camera, sockets", [*took, *(each[2] for each in closed)])
        assert max(*took, *(each[2] for each in closed)) < PROMISE_S
        assert {each[:2] for each in closed} == {(4001, "unauthenticated")}
        assert it.client.post(f"/api/v1/rooms/{it.room}/join", json={}).status_code == 401
        for page in (it.seat, it.wall):
            async with line(hub) as again:
                answer = await again.ask("hello", protocol=1, resume=page.welcome["resume_token"])
                assert answer["code"] in {"token_invalid", "resume_unknown"}
        assert await it.chair.code("ping", t=1) == "pong"


async def test_a_membership_removed_ends_the_seat_and_leaves_the_wall(hub: HubProcess) -> None:
    async with AsyncExitStack() as stack:
        hub.http.patch("/api/v1/users/fei", json={"roles": ["viewer"]})
        it = await scene(stack, hub, "fei")
        since = time.monotonic()
        assert hub.http.patch(f"/api/v1/rooms/{it.room}", json={"members": [{"user_id": "hua"}]}).status_code == 200
        took = await ends(since, of(it.down, "folk/c", "folk/m"), of(it.own, "chair/c", "chair/m"))
        number = await it.seat.end()
        took.append(it.seat.closed_s - since)
        say("membership removed: own, heard, socket", took)
        assert max(took) < PROMISE_S
        assert (number, it.seat.heard("closing")[0]["code"]) == (4003, "revoked")
        before = it.pictures.packets
        await until(lambda: it.pictures.packets > before + 10, "the wall goes on")
        assert it.client.post(f"/api/v1/rooms/{it.room}/join", json={}).status_code in {403, 404}


async def test_a_camera_right_withdrawn_ends_the_picture_on_the_wall_and_in_the_room(hub: HubProcess) -> None:
    async with AsyncExitStack() as stack:
        it = await scene(stack, hub, "gao", "speaker")
        shown = it.client.post(f"/api/v1/rooms/{it.room}/cameras/gate")
        assert shown.status_code < 300, shown.text
        guest = hub.get(f"/rooms/{it.room}/invite")
        body = {"display_name": "客", "invite": guest["url"].partition("invite=")[2], "passcode": guest["passcode"]}
        token = httpx.Client(base_url=hub.url).post(f"/api/v1/rooms/{it.room}/join", json=body).json()["token"]
        page = await stack.enter_async_context(line(hub, token=token))
        seen = await watch(page, 1, 0)
        stack.push_async_callback(seen.close)
        await subscribed(page, "camera/gate", "video")
        await until(lambda: seen.packets > 10, "the camera in the room")
        since = time.monotonic()
        assert hub.http.patch("/api/v1/users/gao", json={"roles": ["auditor"]}).status_code == 200
        took = await ends(since, lambda: it.pictures.last_packet_s, lambda: seen.last_packet_s)
        say("camera right withdrawn: wall, shown in the room", took)
        assert max(took) < PROMISE_S
        told = await until(lambda: it.wall.heard("unsubscribed"), "the wall is told")
        assert (told[0]["source"], told[0]["code"]) == ("camera/gate", "revoked")
        assert await it.wall.code("subscribe", source="camera/gate", track="video") in {
            "not_permitted",
            "source_not_found",
        }
        assert await page.code("subscribe", source="camera/gate", track="video") in {
            "not_permitted",
            "source_not_found",
        }
        await it.down.advances("folk/c", 10)
        rows = [row for row in hub.get("/audit", limit=200, action="view.end")["items"] if row["user_id"] == "gao"]
        assert [row["details"]["reason"] for row in rows] == ["revoked"]


async def test_a_room_that_is_ended_ends_for_everybody(hub: HubProcess) -> None:
    async with AsyncExitStack() as stack:
        it = await scene(stack, hub, "hua")
        since = time.monotonic()
        assert hub.http.post(f"/api/v1/rooms/{it.room}/end").status_code == 200
        took = await ends(since, of(it.down, "folk/c", "folk/m"), of(it.own, "chair/c", "chair/m"))
        numbers = [await each.end() for each in (it.chair, it.seat)]
        took += [each.closed_s - since for each in (it.chair, it.seat)]
        say("room ended: own, heard, sockets", took)
        assert max(took) < PROMISE_S
        assert numbers == [1000, 1000]
        before = it.pictures.packets
        await until(lambda: it.pictures.packets > before + 10, "the wall goes on")
        wait_for("the room is over", lambda: hub.get(f"/rooms/{it.room}")["state"] == "ended", 10)

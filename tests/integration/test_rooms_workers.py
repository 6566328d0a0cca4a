"""One room on two workers of a running hub: seen, heard, silenced and paused across the hop between them."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import av
import pytest
from aiortc.codecs import h264_depayload

from api.state.slots import place
from streams.simulator import timecode
from tests.integration.fixtures_light_pages import Flow, LightPage, advances, is_still, until
from tests.integration.fixtures_live import CAMERA_PASSWORD, CAMERA_USER, simulator
from tests.integration.fixtures_meeting import House, running_house, visited

pytestmark = pytest.mark.timeout(120)

HOME = 1
"""The worker on which the room lives; whoever acts in it sits on the other one where that is harder."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running_house(tmp_path_factory.mktemp("hub")) as house:
        yield house


@pytest.fixture
async def house(running: House) -> AsyncIterator[House]:
    async with visited(running):
        if not running.invites:
            await running.make_room(HOME)
        yield running


@pytest.fixture
def room(house: House) -> str:
    return next(iter(house.invites))


async def pulls(house: House, worker: int, sources: int) -> None:
    """Wait until a worker pulls so many sources; those of before are kept for some seconds."""

    async def agrees() -> bool:
        return await house.figure(worker, "relayed_sources") == sources

    await until(f"worker {worker} pulls {sources} sources", agrees, every_s=0.2)


async def is_home(house: House, room: str) -> bool:
    return await house.private(HOME, f"/rooms/{room}") is not None


async def test_seen_and_heard_on_the_other_worker_until_the_chair_says_no(house: House, room: str) -> None:
    chair = await house.chair(room, on=1 - HOME)
    speaker = await house.guest(room, "王婶", on=1 - HOME)
    listener = await house.guest(room, "李叔", on=HOME)
    assert await is_home(house, room)
    await asyncio.gather(speaker.publish(), chair.open(), listener.open())
    seen = {page: await page.watch(speaker.source) for page in (chair, listener)}
    heard = {page: await page.voice(speaker.source) for page in (chair, listener)}
    for flow in (*seen.values(), *heard.values()):
        await advances(flow)
    await chair.does("chair", action="mute", target=speaker.participant_id)
    for page, flow in heard.items():
        await is_still(flow)
        await advances(seen[page])
    assert (await speaker.ask("mute", track="microphone", muted=False))["code"] == "not_your_turn"
    await until("the speaker is told", lambda: speaker.said("muted"))
    await chair.does("chair", action="unmute", target=speaker.participant_id)
    await until("the speaker is asked", lambda: speaker.said("unmute_asked"))
    await speaker.does("mute", track="microphone", muted=False)
    for page in heard:
        await advances(await page.voice(speaker.source))


async def test_chair_floor_and_roll_call_reach_everybody_on_both_workers(house: House, room: str) -> None:
    chair = await house.chair(room, on=1 - HOME)
    guests = [await house.guest(room, name, on=worker) for name, worker in (("甲", 0), ("乙", 1))]
    pages = [chair, *guests]
    for page in pages:
        await until("everybody is known", lambda page=page: len(page.people) == len(pages))
    await chair.does("chair", action="set_speech", speech="floor")
    for guest in guests:
        await guest.does("chair", action="floor_request")
    asked = [guest.participant_id for guest in guests]
    for page in pages:
        await until(
            "the queue is told", lambda page=page: [e["participant_id"] for e in page.room["floor_queue"]] == asked
        )
    await chair.does("chair", action="roll_call_start")
    for guest in guests:
        await chair.does("chair", action="roll_call_call", target=guest.participant_id)
        await guest.does("chair", action="roll_call_answer", state="present")
    for page in pages:
        await until("the ledger is told", lambda page=page: present(page) >= set(asked))
    versions = await until("all have the same room", lambda: {page.room["version"] for page in pages})
    await chair.does("chat", text="完")
    for guest in guests:
        await until("chat", lambda guest=guest: [line["text"] for line in guest.said("chat")] == ["完"])
    await chair.does("chair", action="roll_call_end")
    await chair.does("chair", action="set_speech", speech="open")
    assert len(versions) == 1


def present(page: LightPage) -> set[str]:
    """Return who has answered the roll call, as a page was told."""
    return {each["participant_id"] for each in page.room["roll_call"]["entries"] if each["state"] == "present"}


async def test_a_source_is_pulled_once_and_paused_and_let_go_when_nobody_watches(house: House, room: str) -> None:
    speaker = await house.guest(room, "张伯", on=1 - HOME)
    viewers = [await house.guest(room, f"看{number}", on=HOME) for number in range(3)]
    await asyncio.gather(speaker.publish(), *(viewer.open(video=1, audio=0) for viewer in viewers))
    flows = [await viewer.watch(speaker.source) for viewer in viewers]
    for flow in flows:
        await advances(flow)
    await pulls(house, HOME, 1)
    await pulls(house, 1 - HOME, 0)
    assert speaker.up is not None
    assert not speaker.up.is_paused
    for viewer in viewers[1:]:
        await viewer.does("unsubscribe", source=speaker.source, track="camera")
    await advances(flows[0])
    await viewers[0].does("unsubscribe", source=speaker.source, track="camera")
    await until("the uplink is told to pause", lambda: speaker.up and speaker.up.is_paused)

    await pulls(house, HOME, 0)
    await advances(await viewers[1].watch(speaker.source))
    assert not speaker.up.is_paused


async def test_wishes_for_key_frames_cross_at_most_once_a_second(house: House, room: str) -> None:
    speaker = await house.guest(room, "刘姐", on=1 - HOME)
    viewers = [await house.guest(room, f"看{number}", on=HOME) for number in range(2)]
    await asyncio.gather(speaker.publish(), *(viewer.open(video=1, audio=0) for viewer in viewers))
    for viewer in viewers:
        await advances(await viewer.watch(speaker.source))
    assert speaker.up is not None
    speaker.up.key_requests.clear()
    began_s, lasted_s = time.monotonic(), 4.0
    while time.monotonic() < began_s + lasted_s:
        for viewer in viewers:
            assert viewer.down is not None
            await viewer.down.ask_key("0")
        await asyncio.sleep(0.05)
    wished = speaker.up.key_requests
    assert len(wished) <= (time.monotonic() - began_s) + 1, "at most one a second reaches a publisher"
    for viewer in viewers:
        assert viewer.down is not None
        await advances(viewer.down.flows["0"])


async def test_after_all_have_left_the_workers_hold_nothing_of_them(house: House, room: str) -> None:
    await house.empty()
    await until("nothing of earlier meetings is left", lambda: is_at_rest(house))
    before = [await held(house, worker) for worker in (0, 1)]
    people = [await house.guest(room, f"村{number}") for number in range(4)]
    await asyncio.gather(*(page.publish() for page in people), *(page.open() for page in people))
    for page in people:
        await advances(await page.watch(people[0].source if page is not people[0] else people[1].source))
    await house.empty()

    async def is_as_before() -> bool:
        after = [await held(house, worker) for worker in (0, 1)]
        return all(
            now <= then for was, has in zip(before, after, strict=True) for then, now in zip(was, has, strict=True)
        )

    await until("tasks, descriptors and peers are back where they were", is_as_before, 30, every_s=0.5)


async def is_at_rest(house: House) -> bool:
    """Tell whether both workers have no peers, and pull nothing."""
    figures = [
        await house.figure(worker, name) for worker in (0, 1) for name in ("peer_connections", "relayed_sources")
    ]
    return not any(figures)


async def held(house: House, worker: int) -> tuple[float, ...]:
    """Return what a worker holds: peers, pulled sources, sessions, tasks, descriptors."""
    names = ("peer_connections", "relayed_sources", "sessions", "published_tracks", "tasks")
    pid = house.hub.pids()[f"worker {worker}"]
    return (*[await house.figure(worker, name) for name in names], descriptors_of(pid))


def descriptors_of(pid: int) -> int:
    """Return how many descriptors a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def test_a_camera_of_one_worker_on_a_wall_of_the_other(house: House) -> None:
    with simulator(1) as url:
        camera = next(name for name in (f"cam-{n}" for n in range(99)) if place(name, house.slots) == house.slots[0])
        address = url.replace("rtsp://", f"rtsp://{CAMERA_USER}:{CAMERA_PASSWORD}@")
        await house.call(house.hub.add_camera, camera, address)
        await house.call(house.hub.wait_online, camera)
        walls = [await house.wall(on=1) for _ in range(2)]
        flows = []
        for wall in walls:
            await wall.open(video=1, audio=0)
            flows.append(await wall.watch(f"camera/{camera}", "video"))
        flows[0].payloads = []
        for flow in flows:
            await advances(flow, 40)
        await pulls(house, 1, 1)
        read = await until("the time code advances", lambda: codes(flows[0]) if flows[0].packets > 60 else None, 30)
        assert {reading.camera for reading in read} == {1}
        await house.call(house.hub.http.delete, f"/api/v1/cameras/{camera}")
        for wall in walls:
            await until("the wall is told", lambda wall=wall: wall.said("unsubscribed"))


def codes(flow: Flow) -> list[timecode.Reading]:
    """Return the codes painted into the pictures that came, when there are ten that advance; else nothing."""
    assert flow.payloads is not None
    decoder = av.CodecContext.create("h264", "r")
    found: list[timecode.Reading] = []
    picture = b""
    for payload, is_last in tuple(flow.payloads):
        picture += h264_depayload(payload)
        if not is_last:
            continue
        try:
            frames = decoder.decode(av.Packet(picture))
        except av.FFmpegError:
            frames = []
        picture = b""
        for frame in frames:
            reading = timecode.read(frame.to_ndarray(format="gray"))
            if reading is not None:
                found.append(reading)
    moments = [reading.time_ms for reading in found]
    steps = sum(later > earlier for earlier, later in itertools.pairwise(moments))
    return found if steps >= 10 else []

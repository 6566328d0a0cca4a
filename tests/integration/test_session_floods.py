"""Floods at the gate and the media port of a running hub, while others meet: bounded, told by code, noticed by nobody.

Garbage and forgeries, also from a peer's own address; packets sent again; a publisher of 50 Mbit/s; pages that send or
read as they should not; two hundred who come at once.
"""

import asyncio
import contextlib
import json
import random
import socket
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.hub_process import HubProcess
from tests.integration.fixtures_attack import Line, Uplink, line, publish, subscribed, until, watch
from tests.integration.fixtures_attacked import attacked_hub, meeting, room, undisturbed
from tests.integration.fixtures_garbage import datagrams

pytestmark = pytest.mark.timeout(180)

SEED = 20_261_123


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    with attacked_hub(tmp_path_factory.mktemp("hub")) as running:
        yield running


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
    undisturbed(hub)

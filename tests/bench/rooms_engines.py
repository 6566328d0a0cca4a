"""The two forwarding engines of the rooms bench, and how a client speaks to each: ours, and Debian's Janus VideoRoom.

A `Control` is one client's line to an engine: it publishes and subscribes peer connections of aiortc's, whose media is
then handled by `rooms_light`. Both engines are processes of their own, so that their CPU can be told.
"""

import asyncio
import json
import random
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from media.base.clock import SystemClock
from media.base.ids import SourceId
from streams.hub import Hub
from streams.plane import Plane
from streams.publication import Publication, TrackName
from streams.webrtc.camera_source import CameraSources
from streams.webrtc.engine import EngineSettings, WebRtcEngine
from streams.webrtc.publishing import PublishEvents, PublishingPeer
from streams.webrtc.slots import MediaSlot
from streams.webrtc.subscribing import SubscribeEvents, SubscribingPeer

HERE = Path(__file__).parent
CONFIG = RTCConfiguration(iceServers=[])
ROOM = 77


class Control(Protocol):
    """One client's line to an engine."""

    async def publish(self, name: str, pc: RTCPeerConnection) -> Any:
        """Publish a connection that sends; return what others subscribe to it by."""
        ...

    async def subscribe(self, feeds: list[Any]) -> RTCPeerConnection:
        """Return a connection that receives these."""
        ...


async def nothing(*_: Any) -> None:
    """Stands where aiortc would start a decoder thread, or a sender of its own."""


async def connected(pc: RTCPeerConnection) -> RTCPeerConnection:
    async with asyncio.timeout(30):
        while pc.connectionState != "connected":
            assert pc.connectionState in ("new", "connecting"), pc.connectionState
            await asyncio.sleep(0.01)
    return pc


# Ours


async def serve_ours(path: str) -> None:
    """The measured process: engine, plane, and a line of JSON per request on a unix socket."""
    engine = WebRtcEngine(EngineSettings(), SystemClock())
    await engine.start()
    plane = Plane("w1", CameraSources(Hub(), engine), None)
    peers: list[Any] = []

    async def publish(name: str, sdp: str) -> dict[str, Any]:
        peer = PublishingPeer(engine, SourceId(f"participant/{name}"), PublishEvents())
        peers.append(peer)
        names = {"0": TrackName.CAMERA, "1": TrackName.MICROPHONE}
        peer.allow(frozenset(names.values()))
        answer = await peer.answer(sdp, names)
        plane.publish(peer.publication)
        return {"sdp": answer}

    async def subscribe(feeds: list[str], sdp: str) -> dict[str, Any]:
        peer = SubscribingPeer(engine, secrets.token_hex(4), SubscribeEvents(*[lambda *_: None] * 3))
        peers.append(peer)
        answer = await peer.answer(sdp)
        slots = list(peer.slots.values())
        for number, feed in enumerate(feeds):
            publication = plane.own(SourceId(f"participant/{feed}"))
            assert publication is not None
            for name, slot in zip((TrackName.CAMERA, TrackName.MICROPHONE), slots[2 * number :], strict=False):
                show(publication, name, slot)
        return {"sdp": answer}

    def stats() -> dict[str, Any]:
        found = [asdict(peer.stats()) for peer in peers]
        return {"peers": len(found), "longest_turn_ms": engine.pump.longest_turn_ns / 1e6}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            request = json.loads(line)
            match request.pop("do"):
                case "publish":
                    answer = await publish(**request)
                case "subscribe":
                    answer = await subscribe(**request)
                case _:
                    answer = stats()
            writer.write(json.dumps(answer).encode() + b"\n")

    await (await asyncio.start_unix_server(serve, path, limit=1 << 20)).serve_forever()


def show(publication: Publication, name: TrackName, slot: MediaSlot) -> None:
    """Show a track as soon as there is one: tracks appear with their first packet."""

    def look(_: Publication) -> None:
        track = publication.get(name)
        if track is not None and slot.shown[0] is None:
            slot.show(track)

    publication.listen(look)
    look(publication)


class OurControl:
    """A client's line to our engine."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, path: str) -> "OurControl":
        return cls(*await asyncio.open_unix_connection(path, limit=1 << 20))

    async def ask(self, **request: Any) -> dict[str, Any]:
        self._writer.write(json.dumps(request).encode() + b"\n")
        answer: dict[str, Any] = json.loads(await self._reader.readline())
        return answer

    async def publish(self, name: str, pc: RTCPeerConnection) -> str:
        answer = await self.ask(do="publish", name=name, sdp=pc.localDescription.sdp)
        await pc.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        await connected(pc)
        return name

    async def subscribe(self, feeds: list[str]) -> RTCPeerConnection:
        pc = RTCPeerConnection(CONFIG)
        for _ in feeds:
            for kind in ("video", "audio"):
                pc.addTransceiver(kind, direction="recvonly").receiver.receive = nothing
        await pc.setLocalDescription(await pc.createOffer())
        answer = await self.ask(do="subscribe", feeds=feeds, sdp=pc.localDescription.sdp)
        await pc.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        return await connected(pc)


# Janus


class JanusControl:
    """A client's session with Janus, over a WebSocket."""

    def __init__(self, link: ClientConnection) -> None:
        self._link = link
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._session = 0
        self._reading = asyncio.get_running_loop().create_task(self._read())

    @classmethod
    async def open(cls, port: str) -> "JanusControl":
        link = await connect(f"ws://127.0.0.1:{port}", subprotocols=[Subprotocol("janus-protocol")], max_size=1 << 20)
        control = cls(link)
        control._session = (await control._ask(janus="create"))["data"]["id"]
        await control._message(await control._attach(), {"request": "create", "room": ROOM, "publishers": 20,
            "videocodec": "h264", "audiocodec": "opus", "bitrate": 4_000_000})  # fmt: skip  # refused when it exists
        return control

    async def _read(self) -> None:
        async for text in self._link:
            event = json.loads(text)
            waiting = self._waiting.get(event.get("transaction", ""))
            if waiting is not None and event["janus"] != "ack" and not waiting.done():
                waiting.set_result(event)

    async def _ask(self, **request: Any) -> dict[str, Any]:
        name = secrets.token_hex(8)
        waiting = self._waiting[name] = asyncio.get_running_loop().create_future()
        session = {"session_id": self._session} if self._session else {}
        await self._link.send(json.dumps({**request, **session, "transaction": name}))
        async with asyncio.timeout(20):
            return await waiting

    async def _attach(self) -> int:
        answer = await self._ask(janus="attach", plugin="janus.plugin.videoroom")
        return int(answer["data"]["id"])

    async def _message(self, handle: int, body: dict[str, Any], jsep: dict[str, str] | None = None) -> dict[str, Any]:
        return await self._ask(janus="message", handle_id=handle, body=body, **({"jsep": jsep} if jsep else {}))

    async def publish(self, name: str, pc: RTCPeerConnection) -> int:
        handle = await self._attach()
        joined = await self._message(handle, {"request": "join", "ptype": "publisher", "room": ROOM, "display": name})
        offer = {"type": "offer", "sdp": pc.localDescription.sdp}
        answer = await self._message(handle, {"request": "publish"}, offer)
        await pc.setRemoteDescription(RTCSessionDescription(answer["jsep"]["sdp"], "answer"))
        await connected(pc)
        return int(joined["plugindata"]["data"]["id"])

    async def subscribe(self, feeds: list[int]) -> RTCPeerConnection:
        handle = await self._attach()
        streams = [{"feed": feed} for feed in feeds]
        offered = await self._message(
            handle, {"request": "join", "ptype": "subscriber", "room": ROOM, "streams": streams}
        )
        pc = RTCPeerConnection(CONFIG)
        await pc.setRemoteDescription(RTCSessionDescription(offered["jsep"]["sdp"], "offer"))
        for transceiver in pc.getTransceivers():
            transceiver.receiver.receive = nothing
            transceiver.direction = "recvonly"
        await pc.setLocalDescription(await pc.createAnswer())
        answer = {"type": "answer", "sdp": pc.localDescription.sdp}
        await self._message(handle, {"request": "start"}, answer)
        return await connected(pc)


async def open_control(engine: str, address: str) -> Control:
    return await (OurControl if engine == "ours" else JanusControl).open(address)


def start_engine(engine: str, folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start an engine in a process of its own; return it and its address, a path or a port, once it answers there."""
    if engine == "ours":
        path = str(folder / "socket")
        process = subprocess.Popen([sys.executable, "-m", "tests.bench.bench_rooms", "serve", path])
        _wait_for(process, lambda: Path(path).exists())
        return process, path
    port = _free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(_janus(folder, port), stdout=log)
    _wait_for(process, lambda: _answers(port))
    return process, str(port)


def _wait_for(process: subprocess.Popen[bytes], is_there: Callable[[], bool]) -> None:
    while not is_there():
        assert process.poll() is None, "the engine has ended"
        time.sleep(0.1)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _janus(folder: Path, port: int) -> list[str]:
    """Write Janus's configuration and return how it is started."""
    for name in ("janus", "janus.transport.websockets", "janus.plugin.videoroom"):
        text = (HERE / "janus" / f"{name}.jcfg").read_text()
        (folder / f"{name}.jcfg").write_text(text.replace("@folder@", str(folder)).replace("@port@", str(port)))
    low = random.randrange(20_000, 25_000)  # media ports of its own, beside what else runs
    return ["janus", "-F", str(folder), "-C", str(folder / "janus.jcfg"), "-r", f"{low}-{low + 5000}"]

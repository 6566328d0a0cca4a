"""Crafted clients of a running hub: the session protocol by hand, and packets of which every one can be told again.

A `Line` is a page's socket. An `Uplink` sends what it likes as a published track, numbered and marked with its name,
whatever anybody has allowed; a `Downlink` opens what arrives and notes which marks and numbers it carried. ICE, DTLS
and SRTP are aiortc's, so that the hub takes them for what a browser sends.
"""

import asyncio
import contextlib
import json
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.rtcrtpsender import RTCRtpSender
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from media.rtp import rtcp
from media.rtp.vp8_descriptor import build_descriptor
from streams.webrtc import extensions
from tests.hub_process import HubProcess

WAIT_S = 30.0
PASSWORD = "Dorf-Wache-2026"
"""Of every account but the administrator's."""

MARK = struct.Struct("!8sI")
"""In every payload: whose it is, and its number."""

KEY_FRAME = build_descriptor(is_start=True) + b"\x10\x00\x00\x9d\x01\x2a" + struct.pack("<HH", 320, 180)
"""The beginning of a VP8 key frame that fits into one packet: every one is a place to begin at."""

LOUD = b"\x14"


async def until(condition: Callable[[], object], what: str, within_s: float = WAIT_S) -> Any:
    """Return what `condition` returns when it is true; AssertionError when it never is."""
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        await asyncio.sleep(0.02)
    return found


class Line:
    """A page's socket without a page; reads all the time unless told not to."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.told: list[dict[str, Any]] = []
        self.close_code = 0
        self.closed_s = 0.0
        self.welcome: dict[str, Any] = {}
        self._number = 0
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reading = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        try:
            async for text in self.socket:
                message = json.loads(text)
                waiting = self._waiting.pop(message.get("id", -1), None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(message)
                else:
                    self.told.append(message)
        except ConnectionClosed:
            pass
        self.close_code, self.closed_s = self.socket.close_code or 0, time.monotonic()
        for waiting in self._waiting.values():
            waiting.cancel()

    async def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Send a request and return its answer."""
        self._number += 1
        waiting = self._waiting[self._number] = asyncio.get_running_loop().create_future()
        await self.socket.send(json.dumps({"type": kind, "id": self._number, **fields}))
        async with asyncio.timeout(WAIT_S):
            return await waiting

    async def code(self, kind: str, **fields: Any) -> str:
        """Return the code of the refusal, or the type of an answer that is none."""
        answer = await self.ask(kind, **fields)
        return str(answer["code"] if answer["type"] == "error" else answer["type"])

    async def do(self, action: str, **fields: Any) -> None:
        """Do something as chair."""
        answer = await self.ask("chair", action=action, **fields)
        assert answer["type"] == "ok", answer

    async def refused(self, frame: dict[str, Any]) -> str:
        """Send a frame, and return the code of the error that is told next, whatever its id."""
        before = len(self.heard("error"))
        await self.socket.send(json.dumps(frame))
        await until(lambda: len(self.heard("error")) > before, f"{frame['type']} is refused")
        return str(self.heard("error")[before]["code"])

    def heard(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of a kind."""
        return [message for message in self.told if message["type"] == kind]

    async def end(self, within_s: float = WAIT_S) -> int:
        """Wait until the server has closed, and return its number."""
        async with asyncio.timeout(within_s):
            await asyncio.wait([self._reading])
        return self.close_code

    async def close(self) -> None:
        self._reading.cancel()
        await self.socket.close()


@asynccontextmanager
async def line(hub: HubProcess, **hello: Any) -> AsyncIterator[Line]:
    """Open a socket; with a token or so, say hello and be welcome."""
    url = f"ws://127.0.0.1:{hub.port}/api/v1/session"
    async with connect(url, compression=None, open_timeout=WAIT_S, close_timeout=1, max_size=8 << 20) as socket:
        made = Line(socket)
        if hello:
            made.welcome = await made.ask("hello", protocol=1, **hello)
            assert made.welcome["type"] == "welcome", made.welcome
        try:
            yield made
        finally:
            with contextlib.suppress(ConnectionClosed, TimeoutError, asyncio.CancelledError):
                if hello and not made.close_code:
                    await made.ask("leave")
            await made.close()


@contextmanager
def person(hub: HubProcess, name: str) -> Iterator[httpx.Client]:
    """Log somebody in."""
    with httpx.Client(base_url=hub.url, timeout=20) as client:
        answer = client.post("/api/v1/auth/login", json={"username": name, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client


async def nothing(*_: Any, **__: Any) -> None:
    """Stands where aiortc would encode or decode."""


@dataclass
class Track:
    """One line of an offer that sends."""

    name: str
    mark: bytes
    mid: str
    ssrc: int
    payload_type: int
    number: int = 0


@dataclass
class Uplink:
    """A publishing connection that sends what it likes."""

    pc: RTCPeerConnection
    tracks: list[Track] = field(default_factory=list)
    sending: asyncio.Task[None] | None = None

    @property
    def transport(self) -> Any:
        return self.pc.getTransceivers()[0].sender.transport

    @property
    def way(self) -> tuple[socket.socket, tuple[str, int]]:
        """Return the UDP socket of this peer, and where it sends: what goes out there has its source address."""
        pair = self.transport.transport._connection._nominated[1]
        return pair.protocol.transport.get_extra_info("socket")._sock, pair.remote_addr

    def track(self, name: str) -> Track:
        return next(track for track in self.tracks if track.name == name)

    @property
    def names(self) -> dict[str, str]:
        return {track.mid: track.name for track in self.tracks}

    def packet(self, track: Track, size: int = 0) -> bytes:
        """Return the next packet of a track, unprotected."""
        is_voice = track.payload_type == self._voice_type
        values = [(extensions.CANONICAL[extensions.MID], track.mid.encode())]
        values += [(extensions.CANONICAL[extensions.AUDIO_LEVEL], LOUD)] if is_voice else []
        track.number += 1
        step = 960 if is_voice else 1800
        seq, timestamp = track.number & 0xFFFF, track.number * step & 0xFFFFFFFF
        head = struct.pack("!BBHII", 0x90, 0x80 | track.payload_type, seq, timestamp, track.ssrc)
        body = (b"" if is_voice else KEY_FRAME) + MARK.pack(track.mark, track.number)
        return head + extensions.build_block(values) + body + bytes(max(0, size - len(body)))

    _voice_type = 0

    async def send(self) -> None:
        """Send fifty packets of every track a second, for ever."""
        loop = asyncio.get_running_loop()
        next_s = loop.time()
        while True:
            for track in self.tracks:
                with contextlib.suppress(ConnectionError):
                    await self.transport._send_rtp(self.packet(track))
            next_s = max(next_s + 0.02, loop.time() - 0.1)
            await asyncio.sleep(max(0.0, next_s - loop.time()))

    def start(self) -> None:
        self.sending = asyncio.get_running_loop().create_task(self.send())

    async def close(self) -> None:
        if self.sending is not None:
            self.sending.cancel()
        await self.pc.close()


MARKS = {"camera": "c", "microphone": "m", "screen": "v", "screen-audio": "a"}
KINDS = {"camera": "video", "screen": "video", "microphone": "audio", "screen-audio": "audio"}


async def offered(who: str, *names: str) -> tuple[Uplink, str]:
    """Return a connection and the offer of these tracks; `who` is at most six letters."""
    made = Uplink(RTCPeerConnection(RTCConfiguration(iceServers=[])))
    vp8 = [codec for codec in RTCRtpSender.getCapabilities("video").codecs if codec.mimeType == "video/VP8"]
    lines = []
    for name in names:
        transceiver = made.pc.addTransceiver(KINDS[name], direction="sendonly")
        transceiver.sender.send = nothing
        if KINDS[name] == "video":
            transceiver.setCodecPreferences(vp8)
        lines.append((name, transceiver))
    await made.pc.setLocalDescription(await made.pc.createOffer())
    for name, transceiver in lines:
        wanted = "VP8" if KINDS[name] == "video" else "opus"
        number = next(codec.payloadType for codec in transceiver._codecs if codec.name == wanted)
        mark = f"{who}/{MARKS[name]}".encode()[:8].ljust(8)
        made.tracks.append(Track(name, mark, transceiver.mid, transceiver.sender._ssrc, number))
        if wanted == "opus":
            made._voice_type = number
    return made, with_extensions(made.pc.localDescription.sdp)


def with_extensions(sdp: str) -> str:
    """Offer a browser's header extensions in place of aiortc's."""
    wanted = (extensions.MID, extensions.AUDIO_LEVEL)
    lines: list[str] = []
    for text in sdp.splitlines():
        if not text.startswith("a=extmap:"):
            lines.append(text)
        if text.startswith("a=mid:"):
            lines += [f"a=extmap:{extensions.CANONICAL[uri]} {uri}" for uri in wanted]
    return "\r\n".join(lines) + "\r\n"


async def take_answer(pc: RTCPeerConnection, sdp: str) -> None:
    """Connect by an answer."""
    await pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
    await until(lambda: pc.connectionState == "connected", "connected")


async def publish(page: Line, who: str, *names: str) -> Uplink:
    """Publish these tracks by a new connection and begin to send, as a page would."""
    made, offer = await offered(who, *names)
    answer = await page.ask("publish", sdp=offer, tracks=made.names, fresh=True)
    assert answer["type"] == "published", answer
    await take_answer(made.pc, answer["sdp"])
    made.start()
    return made


@dataclass
class Downlink:
    """A subscribing connection that opens every packet."""

    pc: RTCPeerConnection
    highest: dict[str, int] = field(default_factory=dict)
    """Mark → the highest number that came."""
    count: dict[str, int] = field(default_factory=dict)
    last_s: dict[str, float] = field(default_factory=dict)
    packets: int = 0
    last_packet_s: float = 0.0
    sequences: dict[int, int] = field(default_factory=dict)
    reporting: asyncio.Task[None] | None = None

    def take(self, data: bytes) -> None:
        """Note whose packet this is."""
        self.packets += 1
        self.last_packet_s = time.monotonic()
        self.sequences[int.from_bytes(data[8:12], "big")] = int.from_bytes(data[2:4], "big")
        start = 12 + 4 * (data[0] & 0x0F)
        if data[0] & 0x10:
            start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
        body = data[start:]
        body = body[len(KEY_FRAME) :] if body.startswith(KEY_FRAME) else body
        if len(body) < MARK.size:
            return
        mark, number = MARK.unpack_from(body)
        name = mark.decode("ascii", "replace").strip()
        self.highest[name] = max(number, self.highest.get(name, 0))
        self.count[name] = self.count.get(name, 0) + 1
        self.last_s[name] = time.monotonic()

    async def report(self) -> None:
        """Say what arrives, as every receiver must: who never does is given up after half a minute."""
        transport = self.pc.getTransceivers()[0].receiver.transport
        while True:
            await asyncio.sleep(2)
            blocks = tuple(rtcp.ReportBlock(ssrc=ssrc, highest_sequence=top) for ssrc, top in self.sequences.items())
            with contextlib.suppress(ConnectionError):
                await transport._send_rtp(rtcp.build(rtcp.ReceiverReport(ssrc=1, reports=blocks[:30])))

    async def close(self) -> None:
        if self.reporting is not None:
            self.reporting.cancel()
        await self.pc.close()

    async def advances(self, name: str, by: int = 20, within_s: float = WAIT_S) -> None:
        """Wait until so many more packets of this mark came."""
        before = self.count.get(name, 0)
        await until(lambda: self.count.get(name, 0) >= before + by, f"packets of {name}", within_s)


async def receiving(video: int, audio: int) -> tuple[Downlink, str]:
    """Return a connection and its offer of so many lines to receive by."""
    made = Downlink(RTCPeerConnection(RTCConfiguration(iceServers=[])))
    for kind in ["video"] * video + ["audio"] * audio:
        made.pc.addTransceiver(kind, direction="recvonly").receiver.receive = nothing
    await made.pc.setLocalDescription(await made.pc.createOffer())

    async def take(data: bytes, **_: Any) -> None:
        made.take(data)

    made.pc.getTransceivers()[0].receiver.transport._handle_rtp_data = take
    return made, made.pc.localDescription.sdp


async def watch(page: Line, video: int = 3, audio: int = 3) -> Downlink:
    """Open slots."""
    made, offer = await receiving(video, audio)
    answer = await page.ask("slots", sdp=offer)
    assert answer["type"] == "slots", answer
    await take_answer(made.pc, answer["sdp"])
    made.reporting = asyncio.get_running_loop().create_task(made.report())
    return made


async def subscribed(page: Line, source: str, track: str = "camera") -> str:
    """Subscribe as soon as the source is there; return the mid."""
    deadline = time.monotonic() + WAIT_S
    while True:
        answer = await page.ask("subscribe", source=source, track=track)
        if answer["type"] == "ok":
            return str(answer["mid"])
        assert time.monotonic() < deadline, answer
        await asyncio.sleep(0.2)

"""Light pages in rooms of a running hub: the session protocol, ICE and DTLS in this process, without a browser.

A page sends recorded pictures and sound in real time, answers key-frame requests, reports on what it receives and
keeps what it is told. aiortc's encoders, decoders and threads are never made. Everything runs on the test's own loop.
"""

import asyncio
import contextlib
import itertools
import json
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.rtcrtpsender import RTCRtpSender
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from media.packet import AccessUnit, Codec
from media.rtp import rtcp
from media.rtp.packetize import VideoPacketizer
from streams.webrtc import extensions
from tests.hub_process import HubProcess
from tests.integration.fixtures_webrtc import encode, opus_frames

CONFIG = RTCConfiguration(iceServers=[])
TICK_S = 0.02
TICKS_PER_PICTURE = 3
LEVEL_DBOV = 20


async def until(what: str, condition: Callable[[], Any], within_s: float = 20.0, every_s: float = 0.03) -> Any:
    """Return what `condition` returns once it is true; AssertionError naming `what` when it never is."""
    deadline_s = time.monotonic() + within_s
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < deadline_s, f"not within {within_s} s: {what}"
        await asyncio.sleep(every_s)


async def nothing(*_: Any) -> None:
    """Stand where aiortc would start an encoder, a decoder or a thread."""


@dataclass
class Flow:
    """What came into one slot."""

    mid: str
    packets: int = 0
    arrivals_s: list[float] = field(default_factory=list)
    payloads: list[tuple[bytes, bool]] | None = None
    """Payload and marker of each packet, once somebody wants to decode them."""
    link: Callable[[], str] = str
    """Tells how the connection is, for the message of a test that fails."""

    def longest_gap_s(self, since_s: float) -> float:
        """Return the longest time without a packet from `since_s` (monotonic) until now."""
        return longest_gap_s(self.arrivals_s, since_s)


def longest_gap_s(moments_s: list[float], since_s: float) -> float:
    """Return the longest pause between moments from `since_s` until now."""
    found = [since_s, *(at_s for at_s in moments_s if at_s > since_s), time.monotonic()]
    return max(later - earlier for earlier, later in itertools.pairwise(found))


@dataclass
class Line:
    """One RTP stream that a page sends."""

    ssrc: int
    payload_type: int
    mid: str
    seq: int = 1000
    timestamp: int = 0


class Uplink:
    """A page's publishing connection. It sends until it is closed, whatever happens to the hub."""

    def __init__(self) -> None:
        """Prepare; `offer` first, then `answered`."""
        self.pc = RTCPeerConnection(CONFIG)
        self.key_requests: list[float] = []
        self.sent_s: list[float] = []
        """When it sent: a machine that is busy stops this process too, and that is not the hub's pause."""
        self._lines: dict[str, Line] = {}
        self._paused: frozenset[str] = frozenset()
        self._task: asyncio.Task[None] | None = None
        self._transceivers = {
            "camera": self.pc.addTransceiver("video", direction="sendonly"),
            "microphone": self.pc.addTransceiver("audio", direction="sendonly"),
        }
        h264 = [c for c in RTCRtpSender.getCapabilities("video").codecs if c.mimeType == "video/H264"]
        self._transceivers["camera"].setCodecPreferences(h264[:1])
        for transceiver in self._transceivers.values():
            transceiver.sender.send = nothing

    async def offer(self) -> tuple[str, dict[str, str]]:
        """Return the offer and the names of its lines."""
        await self.pc.setLocalDescription(await self.pc.createOffer())
        names = {transceiver.mid: name for name, transceiver in self._transceivers.items()}
        return _with_canonical_extensions(self.pc.localDescription.sdp), names

    async def answered(self, sdp: str) -> None:
        """Connect and begin to send."""
        transport = self._transceivers["camera"].sender.transport
        transport._handle_rtcp_data = self._take_rtcp
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        for name, transceiver in self._transceivers.items():
            wanted = "H264" if name == "camera" else "opus"
            number = next(codec.payloadType for codec in transceiver._codecs if codec.name == wanted)
            self._lines[name] = Line(transceiver.sender._ssrc, number, transceiver.mid)
        await until("the uplink connects", lambda: transport.state == "connected")
        self._task = asyncio.get_running_loop().create_task(self._play(transport))

    def layers_wanted(self, track: str, rids: list[str]) -> None:
        """Pause a track nobody watches, as browsers do."""
        self._paused = self._paused | {track} if not rids else self._paused - {track}

    @property
    def is_paused(self) -> bool:
        """Tell whether the picture is paused."""
        return "camera" in self._paused

    async def _take_rtcp(self, data: bytes) -> None:
        for packet in rtcp.parse_compound(data):
            if isinstance(packet, rtcp.PictureLoss | rtcp.FullIntraRequest):
                self.key_requests.append(time.monotonic())

    async def _play(self, transport: Any) -> None:
        pictures, sound = pictures_of_people(), opus_frames()
        picture, answered = 0, 0
        began_s = time.monotonic()
        for tick in itertools.count():
            await asyncio.sleep(max(0.0, began_s + tick * TICK_S - time.monotonic()))
            if transport.state != "connected":
                return
            voice, camera = self._lines["microphone"], self._lines["camera"]
            voice.timestamp = 960 * tick
            self.sent_s.append(time.monotonic())
            await self._send(transport, voice, sound[tick % len(sound)], has_marker=False)
            if tick % TICKS_PER_PICTURE or self.is_paused:
                continue
            if len(self.key_requests) > answered:
                picture, answered = 0, len(self.key_requests)
            camera.timestamp = round(90_000 * TICK_S * tick)
            payloads = pictures[picture % len(pictures)]
            for payload in payloads:
                await self._send(transport, camera, payload, has_marker=payload is payloads[-1])
            picture += 1

    async def _send(self, transport: Any, line: Line, payload: bytes, *, has_marker: bool) -> None:
        values = [(extensions.CANONICAL[extensions.MID], line.mid.encode())]
        if line is self._lines["microphone"]:
            values.append((extensions.CANONICAL[extensions.AUDIO_LEVEL], bytes([LEVEL_DBOV])))
        marked = line.payload_type | (0x80 if has_marker else 0)
        head = struct.pack("!BBHII", 0x90, marked, line.seq & 0xFFFF, line.timestamp & 0xFFFFFFFF, line.ssrc)
        line.seq += 1
        with contextlib.suppress(ConnectionError):
            await transport._send_rtp(head + extensions.build_block(values) + payload)

    async def close(self) -> None:
        """Send nothing more."""
        if self._task is not None:
            self._task.cancel()
        await self.pc.close()


class Downlink:
    """A page's subscribing connection: it counts what comes into each slot, and reports as browsers do."""

    def __init__(self, video: int, audio: int) -> None:
        """Prepare; `offer` first, then `answered`."""
        self.pc = RTCPeerConnection(CONFIG)
        self.flows: dict[str, Flow] = {}
        self._of_ssrc: dict[int, Flow] = {}
        self._highest: dict[int, int] = {}
        self._transport: Any = None
        self._task: asyncio.Task[None] | None = None
        for kind, count in (("video", video), ("audio", audio)):
            for _ in range(count):
                self.pc.addTransceiver(kind, direction="recvonly").receiver.receive = nothing

    async def offer(self) -> str:
        """Return the offer."""
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return str(self.pc.localDescription.sdp)

    async def answered(self, sdp: str) -> None:
        """Connect and begin to count."""
        self._transport = self.pc.getTransceivers()[0].receiver.transport
        self._transport._handle_rtp_data = self._take
        self._transport._handle_rtcp_data = nothing
        for mid, ssrc in _sources_of(sdp):
            self.flows[mid] = self._of_ssrc[ssrc] = Flow(mid, link=self.describe)
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        await until("the downlink connects", lambda: self._transport.state == "connected")
        self._task = asyncio.get_running_loop().create_task(self._report())

    def describe(self) -> str:
        """Return how the connection is."""
        ice, received = self._transport.transport, self._transport._RTCDtlsTransport__rx_packets
        flows = {flow.mid: flow.packets for flow in self.flows.values()}
        return f"DTLS {self._transport.state}, ICE {ice.state}, {received} datagrams, in slots {flows}"

    async def _take(self, data: bytes, arrival_time_ms: int) -> None:
        del arrival_time_ms
        ssrc, seq = int.from_bytes(data[8:12], "big"), int.from_bytes(data[2:4], "big")
        flow = self._of_ssrc.get(ssrc)
        if flow is None:
            return
        self._highest[ssrc] = seq
        flow.packets += 1
        flow.arrivals_s.append(time.monotonic())
        if flow.payloads is not None:
            start = 12 + (4 + 4 * int.from_bytes(data[14:16], "big") if data[0] & 0x10 else 0)
            flow.payloads.append((data[start:], bool(data[1] & 0x80)))

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            blocks = tuple(rtcp.ReportBlock(ssrc=ssrc, highest_sequence=seq) for ssrc, seq in self._highest.items())
            await self._send(rtcp.ReceiverReport(ssrc=1, reports=blocks))

    async def ask_key(self, mid: str) -> None:
        """Say that the picture in a slot cannot be decoded."""
        ssrc = next(ssrc for ssrc, flow in self._of_ssrc.items() if flow.mid == mid)
        await self._send(rtcp.PictureLoss(1, ssrc))

    async def _send(self, packet: Any) -> None:
        with contextlib.suppress(ConnectionError):
            await self._transport._send_rtp(rtcp.build_compound([packet]))

    async def close(self) -> None:
        """Receive nothing more."""
        if self._task is not None:
            self._task.cancel()
        await self.pc.close()


class LightPage:
    """One page: its socket, its two connections, and what it was told."""

    def __init__(self, hub: HubProcess, joined: dict[str, Any]) -> None:
        """Prepare with what joining, or asking for a session, has answered."""
        self.hub = hub
        self.participant_id = str(joined.get("participant_id", ""))
        self.token = str(joined["token"])
        self.told: list[dict[str, Any]] = []
        self.welcome: dict[str, Any] = {}
        self.slots: dict[str, dict[str, Any]] = {}
        self.room: dict[str, Any] = {}
        self.people: dict[str, dict[str, Any]] = {}
        self.closed = asyncio.Event()
        self.close_code = 0
        self.up: Uplink | None = None
        self.down: Downlink | None = None
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0

    @property
    def source(self) -> str:
        """Return the source of this page's seat."""
        return f"participant/{self.participant_id}"

    async def hello(self, **fields: Any) -> dict[str, Any]:
        """Open a socket and say hello; with the token unless told otherwise. `{}` when the hub is not there."""
        await self.hang_up()
        url = f"ws://127.0.0.1:{self.hub.port}/api/v1/session"
        try:
            self._socket = await connect(url, compression=None, close_timeout=1, open_timeout=5)
        except (OSError, TimeoutError, InvalidHandshake):
            return {}
        self.closed.clear()
        self._reader = asyncio.get_running_loop().create_task(self._read(self._socket))
        answer = await self.ask("hello", protocol=1, **(fields or {"token": self.token}))
        if answer.get("type") == "welcome":
            self.welcome = answer
            self.room = answer.get("room", {})
            self.people = {each["id"]: each for each in answer.get("participants", [])}
            self.slots = {each["mid"]: each for each in answer.get("slots", [])}
        return answer

    async def resume(self, within_s: float = 20.0) -> dict[str, Any]:
        """Come back again and again, as pages do; return the welcome."""

        async def back() -> dict[str, Any] | None:
            answer = await self.hello(resume=self.welcome["resume_token"])
            return answer if answer.get("type") == "welcome" else None

        found: dict[str, Any] = await until("the page is back", back, within_s, every_s=0.25)
        return found

    async def _read(self, socket: ClientConnection) -> None:
        try:
            while True:
                self._hear(json.loads(await socket.recv()))
        except ConnectionClosed as closed:
            self.close_code = closed.rcvd.code if closed.rcvd is not None else 1006
        finally:
            if socket is self._socket:
                self.closed.set()
                for answer in self._waiting.values():
                    if not answer.done():
                        answer.set_result({})

    def _hear(self, message: dict[str, Any]) -> None:
        if (answer := self._waiting.pop(message.get("id", -1), None)) is not None:
            if not answer.done():
                answer.set_result(message)
            return
        self.told.append(message)
        match message:
            case {"type": "slot", "mid": mid}:
                self.slots[mid] = message
            case {"type": "room", "room": room}:
                self.room = room
            case {"type": "roll_call", "entry": entry}:
                self.room["roll_call"]["entries"] = _with_entry(self.room["roll_call"]["entries"], entry)
            case {"type": "participant", "participant": one}:
                self.people[one["id"]] = one
            case {"type": "participants", "participants": some}:
                self.people |= {each["id"]: each for each in some}
            case {"type": "participant_left", "participant_id": gone}:
                self.people.pop(gone, None)
            case {"type": "layers_wanted", "track": track, "rids": rids} if self.up is not None:
                self.up.layers_wanted(track, rids)

    async def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Send a request and return its answer; `{}` when the socket closes first."""
        assert self._socket is not None
        self._number += 1
        answer = self._waiting[self._number] = asyncio.get_running_loop().create_future()
        try:
            await self._socket.send(json.dumps({"type": kind, "id": self._number, **fields}))
        except ConnectionClosed:
            return {}
        async with asyncio.timeout(30):
            return await answer

    async def does(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Ask what must be granted; a seat whose room comes back this moment asks again, as pages do."""

        async def done() -> dict[str, Any] | None:
            answer = await self.ask(kind, **fields)
            return None if not answer or answer.get("code") in {"worker_unavailable", "source_offline"} else answer

        answer: dict[str, Any] = await until(f"{kind} is answered", done, every_s=0.3)
        assert answer["type"] != "error", (kind, fields, answer)
        return answer

    def said(self, kind: str) -> list[dict[str, Any]]:
        """Return what was told of a kind."""
        return [message for message in self.told if message["type"] == kind]

    async def publish(self) -> None:
        """Send camera and microphone over a new connection."""
        if self.up is not None:
            await self.up.close()
        up = self.up = Uplink()
        sdp, names = await up.offer()
        answer = await self.does("publish", sdp=sdp, tracks=names, fresh=True)
        await up.answered(answer["sdp"])

    async def open(self, video: int = 2, audio: int = 2) -> None:
        """Make slots over a new connection."""
        if self.down is not None:
            await self.down.close()
        down = self.down = Downlink(video, audio)
        answer = await self.does("slots", sdp=await down.offer(), fresh=True)
        await down.answered(answer["sdp"])

    async def watch(self, source: str, track: str = "camera") -> Flow:
        """Subscribe as soon as the source is told of; return its flow."""

        async def asked() -> str:
            answer = await self.ask("subscribe", source=source, track=track, width=320, height=240)
            assert answer.get("type") == "ok" or answer.get("code") in _NOT_YET, answer
            return str(answer.get("mid", ""))

        mid = await until(f"{source} can be watched", asked, every_s=0.2)
        assert self.down is not None
        return self.down.flows[mid]

    async def mid_of(self, source: str, track: str) -> str:
        """Return the slot in which a track is, as soon as it is told."""

        def mid() -> str:
            found = [each["mid"] for each in self.slots.values() if (each["source"], each["track"]) == (source, track)]
            return str(found[0]) if found else ""

        return str(await until(f"{track} of {source} is in a slot", mid))

    async def voice(self, source: str) -> Flow:
        """Return the flow in which a microphone is heard."""
        mid = await self.mid_of(source, "microphone")
        assert self.down is not None
        return self.down.flows[mid]

    async def hang_up(self) -> None:
        """Close the socket without a word; connections live on."""
        socket, self._socket = self._socket, None
        if self._reader is not None:
            self._reader.cancel()
        if socket is not None:
            socket.transport.abort()

    async def leave(self) -> None:
        """Go in order, whatever is left of the hub."""
        if self._socket is not None and not self.closed.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await self.ask("leave")
        await self.hang_up()
        for connection in (self.up, self.down):
            if connection is not None:
                await connection.close()


_NOT_YET = {"source_not_found", "source_offline", "not_permitted", "worker_unavailable", None}


async def advances(flow: Flow, packets: int = 20, within_s: float = 20.0) -> None:
    """Wait until so many more packets have come."""
    before = flow.packets
    try:
        await until(f"packets come into slot {flow.mid}", lambda: flow.packets >= before + packets, within_s)
    except AssertionError as error:
        raise AssertionError(f"{error} ({flow.link()})") from None


async def is_still(flow: Flow, for_s: float = 0.8, within_s: float = 10.0) -> None:
    """Wait until nothing comes any more."""

    def quiet() -> bool:
        return not flow.arrivals_s or time.monotonic() - flow.arrivals_s[-1] > for_s

    await until(f"slot {flow.mid} is still", quiet, within_s)


@cache
def pictures_of_people() -> list[list[bytes]]:
    """Return the packets of each picture of a small clip, the first of them a key picture."""
    clip = encode("320x240", 4, 2, 150)
    packetizer = VideoPacketizer(Codec.H264)
    units = [AccessUnit(0, clip.params, n, n, is_key, data, 0, 0) for n, (data, is_key) in enumerate(clip.pictures)]
    return [packetizer.payloads(unit) for unit in units]


def _with_entry(entries: list[dict[str, Any]], entry: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a ledger with one line changed or added."""
    others = {each["participant_id"]: each for each in entries}
    return list((others | {entry["participant_id"]: entry}).values())


def _with_canonical_extensions(sdp: str) -> str:
    """Offer the header extensions a page really sends, under the numbers browsers use."""
    lines: list[str] = []
    kind = ""
    for line in sdp.splitlines():
        if line.startswith("m="):
            kind = line[2:].split()[0]
        if line.startswith("a=extmap:"):
            continue
        lines.append(line)
        if line.startswith("a=mid:"):
            offered = (extensions.MID, extensions.AUDIO_LEVEL) if kind == "audio" else (extensions.MID,)
            lines += [f"a=extmap:{extensions.CANONICAL[uri]} {uri}" for uri in offered]
    return "\r\n".join(lines) + "\r\n"


def _sources_of(sdp: str) -> Iterator[tuple[str, int]]:
    """Yield mid and source of every slot in an answer."""
    mid = ""
    for line in sdp.splitlines():
        if line.startswith("a=mid:"):
            mid = line[6:]
        elif line.startswith("a=ssrc:") and "cname" in line:
            yield mid, int(line[7:].split()[0])

"""Light publishers and receivers: ICE and DTLS by aiortc, packets by hand. The same ones for every engine.

A publisher paces a recorded 720p25 1 Mbit/s picture and 50 packets of Opus a second, and writes the time into every
payload. A receiver drains its socket and counts; the first few also tell, by the kernel's time of arrival, how long
each packet was under way. In the full mode publishers number packets for TWCC, and receivers report on every source
once a second and ask for 1 % of the packets again.
"""

import asyncio
import contextlib
import select
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from aiortc import RTCPeerConnection
from aiortc import rtcdtlstransport as dtls
from aiortc.rtcrtpsender import RTCRtpSender

from media.packet import AccessUnit, Codec
from media.rtp import rtcp
from media.rtp.packetize import VideoPacketizer
from streams.webrtc import extensions
from tests.bench.rooms_engines import CONFIG, Control, nothing
from tests.integration.fixtures_webrtc import FPS, encode, opus_frames

PROBES = 4
"""Receivers whose packets are opened and timed."""

STAMP_AT = 16
"""Where in a payload the time is written: behind everything an engine might look at."""

STAMP = struct.Struct("!QB")
"""The time in nanoseconds, and whether it is a picture's."""

SO_TIMESTAMPNS = 35
EXTENSIONS = {extensions.AUDIO_LEVEL: "audio", extensions.TRANSPORT_CC: "", extensions.MID: ""}


def force_profile(name: str) -> None:
    """Offer only one way of protecting packets: `gcm` or `sha1`."""
    wanted = dtls.SRTP_AEAD_AES_128_GCM if name == "gcm" else dtls.SRTP_AES128_CM_SHA1_80
    dtls.SRTP_PROFILES[:] = [wanted]


@dataclass
class Source:
    """One RTP stream of a publisher."""

    ssrc: int
    payload_type: int
    mid: str
    seq: int = 1000
    timestamp: int = 0


@dataclass
class LightPublisher:
    """One person's camera and microphone."""

    pc: RTCPeerConnection
    is_full: bool
    transport: Any = None
    video: Source = field(init=False)
    audio: Source = field(init=False)
    twcc: int = 0

    async def send(self, source: Source, payload: bytes, *, has_marker: bool) -> None:
        """Protect and send one packet."""
        values = [(extensions.CANONICAL[extensions.MID], source.mid.encode())]
        if source is self.audio:
            values.append((extensions.CANONICAL[extensions.AUDIO_LEVEL], b"\x14"))
        if self.is_full:
            values.append((extensions.CANONICAL[extensions.TRANSPORT_CC], (self.twcc & 0xFFFF).to_bytes(2, "big")))
            self.twcc += 1
        head = struct.pack(
            "!BBHII",
            0x90,
            source.payload_type | (0x80 if has_marker else 0),
            source.seq & 0xFFFF,
            source.timestamp & 0xFFFFFFFF,
            source.ssrc,
        )
        source.seq += 1
        stamped = payload
        if len(payload) >= STAMP_AT + STAMP.size:
            stamp = STAMP.pack(time.time_ns(), source is self.video)
            stamped = payload[:STAMP_AT] + stamp + payload[STAMP_AT + STAMP.size :]
        await self.transport._send_rtp(head + extensions.build_block(values) + stamped)


async def open_publisher(control: Control, name: str, *, is_full: bool) -> tuple[LightPublisher, Any]:
    """Connect a publisher; return it and what others subscribe to."""
    pc = RTCPeerConnection(CONFIG)
    transceivers = [pc.addTransceiver(kind, direction="sendonly") for kind in ("video", "audio")]
    h264 = [c for c in RTCRtpSender.getCapabilities("video").codecs if c.mimeType == "video/H264"]
    transceivers[0].setCodecPreferences(h264[:1])
    for transceiver in transceivers:
        transceiver.sender.send = nothing
    await pc.setLocalDescription(await pc.createOffer())
    offer = _with_extensions(pc.localDescription.sdp, is_full=is_full)
    publisher = LightPublisher(pc, is_full)
    feed = await control.publish(name, _Offered(pc, offer))
    publisher.transport = transceivers[0].sender.transport
    for kind, transceiver in zip(("video", "audio"), transceivers, strict=True):
        codec = "H264" if kind == "video" else "opus"
        number = next(c.payloadType for c in transceiver._codecs if c.name == codec)
        setattr(publisher, kind, Source(transceiver.sender._ssrc, number, transceiver.mid))
    return publisher, feed


class _Offered:
    """A connection whose offer was rewritten."""

    def __init__(self, pc: RTCPeerConnection, sdp: str) -> None:
        self._pc = pc
        self.localDescription = type(pc.localDescription)(sdp, "offer")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pc, name)


def _with_extensions(sdp: str, *, is_full: bool) -> str:
    """Offer our header extensions in place of aiortc's, and TWCC in the full mode."""
    lines: list[str] = []
    kind = ""
    for line in sdp.splitlines():
        if line.startswith("m="):
            kind = line[2:].split()[0]
        if line.startswith("a=extmap:"):
            continue
        lines.append(line)
        if line.startswith("a=mid:"):
            for uri, only in EXTENSIONS.items():
                if only in ("", kind) and (is_full or uri != extensions.TRANSPORT_CC):
                    lines.append(f"a=extmap:{extensions.CANONICAL[uri]} {uri}")
            if is_full:
                lines.append("a=rtcp-fb:* transport-cc")
    return "\r\n".join(lines) + "\r\n"


def picture_payloads(key_bytes: int = 0) -> list[list[bytes]]:
    """Return the packets of each picture of the clip; key pictures filled up to `key_bytes`."""
    clip = encode("1280x720", 4, 2, 1000)
    packetizer = VideoPacketizer(Codec.H264)
    found = []
    for number, (data, is_key) in enumerate(clip.pictures):
        if is_key and len(data) < key_bytes:
            filled = data[4:] + bytes(key_bytes - len(data))
            data = len(filled).to_bytes(4, "big") + filled  # noqa: PLW2901
        unit = AccessUnit(0, clip.params, number, number, is_key, data, 0, 0)
        found.append(packetizer.payloads(unit))
    return found


async def play(publishers: list[LightPublisher], seconds: float, key_bytes: int = 0) -> None:
    """Send pictures and sound of all publishers in real time, each a little after the other."""
    pictures, sound = picture_payloads(key_bytes), opus_frames()
    loop = asyncio.get_running_loop()
    began_s = loop.time()

    async def one(publisher: LightPublisher, offset_s: float) -> None:
        for count in range(int(seconds * 2 * FPS)):
            await asyncio.sleep(max(0.0, began_s + offset_s + count / (2 * FPS) - loop.time()))
            publisher.audio.timestamp += 960
            await publisher.send(publisher.audio, sound[count % len(sound)], has_marker=False)
            if count % 2 == 0:
                publisher.video.timestamp += 90_000 // FPS
                payloads = pictures[count // 2 % len(pictures)]
                for payload in payloads:
                    await publisher.send(publisher.video, payload, has_marker=payload is payloads[-1])

    spread_s = 1 / FPS / len(publishers)
    await asyncio.gather(*(one(publisher, number * spread_s) for number, publisher in enumerate(publishers)))


@dataclass
class LightReceiver:
    """One receiving connection, detached from its event loop."""

    sock: socket.socket
    peer: tuple[str, int]
    session_rtp: Any
    session_rtcp: Any
    is_probe: bool
    seen: dict[int, list[int]] = field(default_factory=dict)
    """By source: packets, highest number."""


def detach(pcs: list[RTCPeerConnection]) -> list[LightReceiver]:
    """Take the sockets of connected peers away from aiortc."""
    found = []
    for number, pc in enumerate(pcs):
        transport = pc.getTransceivers()[0].receiver.transport
        pair = transport.transport._connection._nominated[1]
        sock = pair.protocol.transport.get_extra_info("socket")
        sock = getattr(sock, "_sock", sock)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        keys = transport._rx_srtp, transport._tx_srtp
        found.append(LightReceiver(sock, pair.remote_addr, *keys, is_probe=number % max(1, len(pcs) // PROBES) == 0))
    return found


@dataclass
class Tally:
    """What all receivers got."""

    packets: int = 0
    octets: int = 0
    delays_ms: dict[str, list[float]] = field(default_factory=lambda: {"video": [], "audio": []})


def drain(receivers: list[LightReceiver], warm_up_s: float, window_s: float, *, is_full: bool) -> Tally:
    """Receive for a while; what comes in the warm-up is not counted."""
    tally, poll = Tally(), select.epoll()
    by_fd = {receiver.sock.fileno(): receiver for receiver in receivers}
    for fd in by_fd:
        poll.register(fd, select.EPOLLIN)
    count_from = time.monotonic() + warm_up_s
    report_at = time.monotonic() + 1
    while (now := time.monotonic()) < count_from + window_s:
        for fd, _ in poll.poll(0.1):
            for data, at_ns in _read(by_fd[fd]):
                _take(by_fd[fd], data, at_ns, tally if now >= count_from else Tally(), is_full=is_full)
        if is_full and now >= report_at:
            report_at += 1
            for receiver in receivers:
                _report(receiver)
    return tally


def _read(receiver: LightReceiver) -> Iterator[tuple[bytes, int]]:
    sock = receiver.sock
    while True:
        try:
            if receiver.is_probe:
                data, ancillary, _, _ = sock.recvmsg(2048, 64)
                seconds, ns = struct.unpack("qq", ancillary[0][2][:16]) if ancillary else (0, 0)
                yield data, seconds * 1_000_000_000 + ns
            else:
                yield sock.recv(2048), 0
        except BlockingIOError:
            return


def _take(receiver: LightReceiver, data: bytes, at_ns: int, tally: Tally, *, is_full: bool) -> None:
    if len(data) < 12 or not 128 <= data[0] < 192 or 192 <= data[1] <= 223:
        return
    tally.packets += 1
    tally.octets += len(data)
    if is_full:
        ssrc, seq = int.from_bytes(data[8:12], "big"), int.from_bytes(data[2:4], "big")
        seen = receiver.seen.setdefault(ssrc, [0, seq])
        seen[0] += 1
        seen[1] = seq
        if seen[0] % 100 == 0:
            _send_rtcp(receiver, rtcp.build(rtcp.GenericNack(1, ssrc, (seq,))))
    if receiver.is_probe and at_ns:
        _time(receiver, data, at_ns, tally)


def _time(receiver: LightReceiver, data: bytes, at_ns: int, tally: Tally) -> None:
    try:
        plain = receiver.session_rtp.unprotect(data)
    except Exception:  # a packet sent again
        return
    head = 12 + (4 + 4 * int.from_bytes(plain[14:16], "big") if plain[0] & 0x10 else 0)
    if len(plain) < head + STAMP_AT + STAMP.size:
        return
    sent_ns, is_video = STAMP.unpack_from(plain, head + STAMP_AT)
    delay_ms = (at_ns - sent_ns) / 1e6
    if is_video in (0, 1) and 0 <= delay_ms < 10_000:
        tally.delays_ms["video" if is_video else "audio"].append(delay_ms)


def _report(receiver: LightReceiver) -> None:
    blocks = tuple(rtcp.ReportBlock(ssrc=ssrc, highest_sequence=top) for ssrc, (_, top) in receiver.seen.items())
    for start in range(0, len(blocks), 30):
        _send_rtcp(receiver, rtcp.build(rtcp.ReceiverReport(ssrc=1, reports=blocks[start : start + 30])))


def _send_rtcp(receiver: LightReceiver, plain: bytes) -> None:
    with contextlib.suppress(BlockingIOError):
        receiver.sock.sendto(receiver.session_rtcp.protect_rtcp(plain), receiver.peer)

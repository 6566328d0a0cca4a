"""A sending plane without ICE and DTLS: a real port and pump, real SRTP keys, and receivers that check every number."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import pylibsrtp

from media.base.clock import SystemClock
from media.base.errors import RemoteProtocolError
from media.base.ids import CameraId, StreamKey, camera_source
from media.codec import g711
from media.packet import AccessUnit, Codec, CodecParams, Kind, Track
from media.srtp import SrtpSession
from streams.hub import Stream
from streams.webrtc.batch import PeerAddress
from streams.webrtc.feed import Feed
from streams.webrtc.out_stream import OutStream
from streams.webrtc.outlet import Outlet, Path, SourceTrack
from streams.webrtc.port import UdpPort
from streams.webrtc.pump import Pump

H264 = CodecParams(codec=Codec.H264, clock_rate_hz=90_000, parameter_sets=(b"\x67\x42\x00\x1f", b"\x68\xce"))
PCMA = g711.g711_params(Codec.PCMA)
KEY = StreamKey(camera_source(CameraId("gate")))


def srtp_session(direction: int) -> SrtpSession:
    policy = pylibsrtp.Policy(
        key=bytes(range(28)), ssrc_type=direction, srtp_profile=pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM
    )
    policy.allow_repeat_tx = True
    policy.window_size = 1024
    return SrtpSession(pylibsrtp.Session(policy))


@dataclass(frozen=True)
class Received:
    """One packet as a receiver saw it."""

    seq: int
    timestamp: int
    has_marker: bool
    payload: bytes
    payload_type: int = 96
    extension: bytes = b""


@dataclass
class Receiver:
    """An outlet and the socket it sends to."""

    outlet: Outlet
    sock: socket.socket
    srtp: SrtpSession = field(default_factory=lambda: srtp_session(pylibsrtp.Policy.SSRC_ANY_INBOUND))
    forged: int = 0

    def read(self) -> list[Received]:
        """Return what has arrived, decrypted, in order of arrival."""
        packets = []
        while True:
            try:
                data = self.sock.recv(2048)
            except BlockingIOError:
                return packets
            try:
                plain = self.srtp.unprotect(data)
            except RemoteProtocolError:
                self.forged += 1
                continue
            _, second, seq, timestamp, ssrc = struct.unpack_from("!BBHII", plain)
            assert ssrc == self.outlet.ssrc
            assert second & 0x7F == self.outlet.payload_type
            packets.append(Received(seq, timestamp, bool(second & 0x80), plain[12:]))


class Plane:
    """A stream, its feed, a pump and any number of receivers."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.port = UdpPort(self.clock)
        self.port.open("127.0.0.1")
        self.pump = Pump(self.port)
        self.stream = Stream(KEY)
        self.receivers: list[Receiver] = []
        self.sockets: list[socket.socket] = []
        self._feed: Feed | None = None
        self.pts = 0
        self.sent_pictures: list[bytes] = []

    @property
    def feed(self) -> Feed:
        if self._feed is None:
            self._feed = Feed(self.stream, self.pump)
        return self._feed

    def begin(self, *params: CodecParams) -> None:
        self.pts = 0
        self.stream.begin(Track(index, p) for index, p in enumerate(params or (H264,)))

    def picture(self, *, is_key: bool = False, size: int = 3000, params: CodecParams = H264) -> bytes:
        """Publish a picture of one NAL unit whose content is unique."""
        head = b"\x65" if is_key else b"\x41"
        nal = head + len(self.sent_pictures).to_bytes(4, "big") * (size // 4)
        self.sent_pictures.append(nal)
        data = len(nal).to_bytes(4, "big") + nal
        now, wall = self.clock.mono_ns(), self.clock.wall_us()
        self.stream.publish(AccessUnit(0, params, self.pts, self.pts, is_key, data, now, wall))
        self.pts += 3600
        return nal

    def sound(self, pts: int, data: bytes = b"\xd5" * 160, params: CodecParams = PCMA) -> None:
        now, wall = self.clock.mono_ns(), self.clock.wall_us()
        self.stream.publish(AccessUnit(1, params, pts, pts, True, data, now, wall))

    def join(self, kind: Kind = Kind.VIDEO, sock: socket.socket | None = None) -> Receiver:
        """Add a receiver and start it."""
        if sock is None:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            sock.bind(("127.0.0.1", 0))
        outlet = Outlet(self.feed.tracks[kind], 96, OutStream(1000 + len(self.receivers), self.clock))
        receiver = Receiver(outlet, sock)
        self.receivers.append(receiver)
        keys = srtp_session(pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        if not outlet.start(Path(keys, 16, PeerAddress(*sock.getsockname()))):
            self.pump.catch_up(outlet)
        return receiver

    async def settle(self, *tracks: SourceTrack) -> None:
        """Let the pump work until everything published, and put into `tracks`, is sent."""
        mine = tuple(self._feed.tracks.values()) if self._feed is not None else ()
        batch = self.port.batch  # level tracks do not suffice: what a full kernel refused still waits here
        async with asyncio.timeout(30):
            while batch.used or any(t.is_queued or t.catching_up for t in (*mine, *tracks)):  # noqa: ASYNC110  # no event to wait for
                await asyncio.sleep(0.001)

    def close(self) -> None:
        self.pump.close()
        self.port.close()
        for sock in (*self.sockets, *(receiver.sock for receiver in self.receivers)):
            sock.close()


@asynccontextmanager
async def plane() -> AsyncIterator[Plane]:
    """Run a plane for the length of a test."""
    made = Plane()
    try:
        yield made
    finally:
        made.close()


def pictures_of(packets: list[Received]) -> list[bytes]:
    """Put H.264 pictures together again; parameter sets (STAP-A) are left out."""
    pictures, parts, timestamp = [], [], None
    for packet in packets:
        if packet.timestamp != timestamp:
            parts, timestamp = [], packet.timestamp
        kind = packet.payload[0] & 0x1F
        if kind == 28:
            is_first = packet.payload[1] & 0x80
            head = bytes([packet.payload[0] & 0xE0 | packet.payload[1] & 0x1F]) if is_first else b""
            parts.append(head + packet.payload[2:])
        elif kind != 24:
            parts.append(packet.payload)
        if packet.has_marker:
            pictures.append(b"".join(parts))
            parts = []
    return pictures


def assert_seamless(packets: list[Received]) -> None:
    """No hole, no repeat, no reordering; timestamps increase from picture to picture."""
    seqs = [packet.seq for packet in packets]
    assert seqs == [(seqs[0] + n) & 0xFFFF for n in range(len(seqs))]
    stamps = list(dict.fromkeys(packet.timestamp for packet in packets))
    assert all(0 < (b - a) & 0xFFFFFFFF < 1 << 31 for a, b in pairwise(stamps))
    ends = [packet.has_marker for packet in packets]
    assert sum(ends) == len(stamps)

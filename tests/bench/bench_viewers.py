"""(b) What a viewer costs: % of a core per 1 Mbit/s WHEP viewer, beside aiortc's own sender fed encoded packets.

One 720p25 1 Mbit/s H.264 camera with 32 kbit/s Opus. The sending process is measured; receivers are real ICE and
DTLS peers in another process, which after connecting only drain and count. BENCH_VIEWERS="50 100" sets the rows.
Then: how long the event loop stands still while a key frame goes to 300 viewers.
"""

import asyncio
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import httpx
import uvicorn
import uvloop
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.contrib.media import MediaRelay
from fastapi import FastAPI, Request, Response

from media.packet import Codec
from streams.webrtc.app import make_router
from tests.bench.measure import measure, percentile, save, table
from tests.integration.fixtures_webrtc import FPS, Clip, encode, opus_frames, scene, with_audio
from tests.unit.streams.webrtc.plane import plane

WINDOW_S = 8.0
ROWS = [int(word) for word in os.environ.get("BENCH_VIEWERS", "50 100").split()]
AIORTC_VIEWERS = 20
CONFIG = RTCConfiguration(iceServers=[])


def clip() -> Clip:
    return with_audio(encode("1280x720", 4, 2, 1000), Codec.OPUS)


async def serve_ours(path: str) -> None:
    """The measured process: hub, camera, endpoint, private routes."""
    async with scene(clip()) as place:
        app = FastAPI()
        app.include_router(make_router(place.endpoint))
        await uvicorn.Server(uvicorn.Config(app, uds=path, log_level="warning", access_log=False)).serve()


class PacketTrack(MediaStreamTrack):
    """Encoded packets at their pace, for aiortc's sender."""

    def __init__(self, kind: str, payloads: list[bytes], per_second: int) -> None:
        super().__init__()
        self.kind = kind
        self._payloads, self._per_second, self._count, self._start = payloads, per_second, 0, time.monotonic()

    async def recv(self) -> av.Packet:
        due = self._start + self._count / self._per_second
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        packet = av.Packet(self._payloads[self._count % len(self._payloads)])
        packet.pts, packet.time_base = self._count, Fraction(1, self._per_second)
        self._count += 1
        return packet


async def serve_aiortc(path: str) -> None:
    """The peer: aiortc as documented for encoded media, one sender per viewer behind a relay."""
    source = clip()
    annexb = [
        b"".join(b"\0\0\0\1" + nal for nal in ((*source.params.parameter_sets, d[4:]) if k else (d[4:],)))
        for d, k in source.pictures
    ]
    relay, video = MediaRelay(), PacketTrack("video", annexb, FPS)
    audio = PacketTrack("audio", list(opus_frames()), 50)
    peers = []
    app = FastAPI()

    @app.post("/whep/gate", status_code=201)
    async def create(request: Request) -> Response:
        peer = RTCPeerConnection(CONFIG)
        peers.append(peer)
        await peer.setRemoteDescription(RTCSessionDescription((await request.body()).decode(), "offer"))
        for transceiver in peer.getTransceivers():
            transceiver.direction = "sendonly"
            transceiver.sender.replaceTrack(relay.subscribe(video if transceiver.kind == "video" else audio))
        await peer.setLocalDescription(await peer.createAnswer())
        return Response(peer.localDescription.sdp, status_code=201)

    await uvicorn.Server(uvicorn.Config(app, uds=path, log_level="warning", access_log=False)).serve()


async def connect(http: httpx.AsyncClient, number: int) -> RTCPeerConnection:
    peer = RTCPeerConnection(CONFIG)
    for kind in ("video", "audio"):
        transceiver = peer.addTransceiver(kind, direction="recvonly")
        transceiver.receiver.receive = _nothing
        if kind == "video":
            codecs = RTCRtpSender.getCapabilities("video").codecs
            transceiver.setCodecPreferences([c for c in codecs if c.mimeType == "video/H264"])
    await peer.setLocalDescription(await peer.createOffer())
    answer = await http.post(
        "/whep/gate",
        content=peer.localDescription.sdp,
        headers={"X-Xiangyun-User": f"u{number}", "X-Xiangyun-Session": f"s{number}"},
    )
    assert answer.status_code == 201, answer.text
    await peer.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
    while peer.connectionState != "connected":
        assert peer.connectionState in ("new", "connecting")
        await asyncio.sleep(0.01)
    return peer


async def _nothing(*_: Any) -> None:
    """Stands where aiortc would start a decoder thread."""


def sink(path: str, count: int) -> None:
    """The receiving process: connect, say so, then drain and count until the other side ends it."""
    loop = asyncio.new_event_loop()

    async def connect_all() -> list[RTCPeerConnection]:
        async with httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=path), base_url="http://hub", timeout=30
        ) as http:
            return [await connect(http, number) for number in range(count)]

    peers = loop.run_until_complete(connect_all())
    sockets = {}
    for peer in peers:
        pair = peer.getTransceivers()[0].receiver.transport.transport._connection._nominated[1]
        sock = pair.protocol.transport.get_extra_info("socket")
        sockets[sock.fileno()] = sock._sock if hasattr(sock, "_sock") else sock
    poll = select.epoll()
    for fd in sockets:
        poll.register(fd, select.EPOLLIN)
    print("connected", flush=True)
    packets, buffer, end = 0, bytearray(2048), time.monotonic() + 1.0
    counted_from = end
    while time.monotonic() < counted_from + WINDOW_S:
        for fd, _ in poll.poll(0.1):
            try:
                while True:
                    sockets[fd].recv_into(buffer)
                    packets += time.monotonic() >= counted_from
            except BlockingIOError:
                pass
    print(json.dumps({"packets": packets}), flush=True)
    os._exit(0)  # the peers are not closed: the row is over


def run_row(engine: str, viewers: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "s.sock")
        server = subprocess.Popen([sys.executable, "-m", "tests.bench.bench_viewers", engine, path])
        try:
            while not Path(path).exists():
                assert server.poll() is None
                time.sleep(0.1)
            receiver = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.bench_viewers", "sink", path, str(viewers)],
                stdout=subprocess.PIPE,
                text=True,
            )
            assert receiver.stdout is not None
            assert receiver.stdout.readline().strip() == "connected"
            time.sleep(1.0)
            usage = measure([server.pid], WINDOW_S)
            result = json.loads(receiver.stdout.readline())
            receiver.wait(10)
        finally:
            server.terminate()
            server.wait(10)
    rate = result["packets"] / WINDOW_S / viewers
    return {
        "engine": engine,
        "viewers": viewers,
        "cpu_percent": usage.cpu_percent,
        "percent_per_viewer": usage.cpu_percent / viewers,
        "packets_per_viewer_s": rate,
        "us_per_packet": usage.cpu_percent / 100 / (rate * viewers) * 1e6,
    }


async def stall(viewers: int, frame_bytes: int) -> dict[str, Any]:
    """Send key frames to many real SRTP outlets while another task asks for its turn, and return its longest wait."""
    async with plane() as place:
        sinks = []
        for _ in range(10):
            sink_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sink_socket.setblocking(False)
            sink_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            sink_socket.bind(("127.0.0.1", 0))
            sinks.append(sink_socket)
        place.begin()
        place.picture(is_key=True, size=2000)
        for number in range(viewers):
            place.join(sock=sinks[number % len(sinks)])
        await place.settle()
        waits: list[float] = []

        async def watch() -> None:
            last = time.perf_counter()
            while True:
                await asyncio.sleep(0)
                now = time.perf_counter()
                waits.append(now - last)
                last = now

        frames_ms = []
        async with asyncio.TaskGroup() as tasks:
            watcher = tasks.create_task(watch())
            for _ in range(10):
                began = time.perf_counter()
                place.picture(is_key=True, size=frame_bytes)
                await place.settle()
                frames_ms.append((time.perf_counter() - began) * 1000)
            watcher.cancel()
        return {
            "viewers": viewers,
            "frame_kb": frame_bytes / 1000,
            "longest_stall_ms": max(waits) * 1000,
            "frame_sent_in_ms": percentile(frames_ms, 0.5),
            "longest_turn_ms": place.pump.longest_turn_ns / 1e6,
        }


def main() -> None:
    rows = [run_row("ours", viewers) for viewers in ROWS]
    rows.append(run_row("aiortc", AIORTC_VIEWERS))
    table("(b) WHEP viewers of one 1 Mbit/s 720p25 camera with Opus", rows)
    ratio = rows[-2]["percent_per_viewer"] / rows[-1]["percent_per_viewer"]
    print(f"ours / aiortc's sender: {ratio:.3f}")
    stalls = [uvloop.run(stall(300, size)) for size in (20_000, 60_000)]
    table("(b) the loop while a key frame goes to 300 viewers", stalls)
    save("viewers", [*rows, {"engine": "ratio", "ours_over_aiortc": ratio}, *stalls])


if __name__ == "__main__":
    if sys.argv[1:2] == ["sink"]:
        sink(sys.argv[2], int(sys.argv[3]))
    elif sys.argv[1:]:
        uvloop.run({"ours": serve_ours, "aiortc": serve_aiortc}[sys.argv[1]](sys.argv[2]))
    else:
        main()

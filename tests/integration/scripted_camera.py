"""A camera for tests whose every answer can be scripted: what the simulator's defects do not cover."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from media.base.errors import RemoteProtocolError
from media.codec.nal import split_length_prefixed
from media.rtp.packet import RtpPacket
from media.rtsp.message import Headers, InterleavedFrame, MessageParser, Request, Response, interleaved
from tests.unit.media.ffmpeg.grey_picture import DATA, SETS

SDP = (
    b"v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
    b"a=rtpmap:96 H264/90000\r\na=control:track1\r\n"
)
Answer = Callable[[Request], Response | None]


class ScriptedCamera:
    """One connection after the other. `answers` overrides what a method is answered; all requests are kept."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Request] = []
        self.frames: list[InterleavedFrame] = []
        self.replies: list[Response] = []
        self.answers: dict[str, Answer] = {}
        self.transport_header = "RTP/AVP/TCP;unicast;interleaved=0-1"
        self.after_play: Callable[[asyncio.StreamWriter], None] = lambda writer: self.send_pictures(writer, 0, 3)
        self.writers: list[asyncio.StreamWriter] = []
        self._seq = 0
        self._heard = asyncio.Event()

    async def until(self, is_enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not is_enough():
                self._heard.clear()
                await self._heard.wait()

    def methods(self) -> list[str]:
        return [request.method for request in self.requests]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        parser = MessageParser()
        with contextlib.suppress(ConnectionError, RemoteProtocolError):
            while data := await reader.read(65536):
                parser.feed(data)
                while (found := parser.next()) is not None:
                    self._take(found, writer)
                    self._heard.set()
        writer.close()

    def _take(self, found: object, writer: asyncio.StreamWriter) -> None:
        if isinstance(found, InterleavedFrame):
            self.frames.append(found)
        elif isinstance(found, Response):
            self.replies.append(found)
        elif isinstance(found, Request):
            self.requests.append(found)
            self._answer(found, writer)

    def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        made = self.answers.get(request.method, self._usual)(request)
        if made is None:
            return
        fields = [("CSeq", request.headers.get("CSeq")), *made.headers]
        writer.write(Response(made.status, made.reason, Headers(fields), made.body).to_bytes())
        if request.method == "PLAY" and made.status == 200:
            self.after_play(writer)

    def _usual(self, request: Request) -> Response:
        match request.method:
            case "OPTIONS":
                return Response(200, headers=Headers([("Public", "DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER")]))
            case "DESCRIBE":
                return Response(200, headers=Headers([("Content-Type", "application/sdp")]), body=SDP)
            case "SETUP":
                return Response(
                    200, headers=Headers([("Transport", self.transport_header), ("Session", "42;timeout=60")])
                )
            case _:
                return Response(200, headers=Headers([("Session", "42")]))

    def send_pictures(self, writer: asyncio.StreamWriter, timestamp: int, count: int) -> None:
        """Send `count` key pictures with their parameter sets, 40 ms apart, from `timestamp`."""
        for n in range(count):
            slices = split_length_prefixed(DATA)
            for nal, marker in [(SETS[0], False), (SETS[1], False), (slices[0], False), (slices[1], True)]:
                packet = RtpPacket(
                    payload_type=96,
                    sequence=self._seq & 0xFFFF,
                    timestamp=(timestamp + 3600 * n) & 0xFFFF_FFFF,
                    ssrc=7,
                    payload=nal,
                    has_marker=marker,
                )
                self._seq += 1
                writer.write(interleaved(0, packet.to_bytes()))


@contextlib.asynccontextmanager
async def scripted_camera() -> AsyncIterator[ScriptedCamera]:
    camera = ScriptedCamera()
    server = await asyncio.start_server(camera.serve, "127.0.0.1", 0)
    camera.url = f"rtsp://127.0.0.1:{server.sockets[0].getsockname()[1]}/cam"
    try:
        yield camera
    finally:
        server.close()
        for writer in camera.writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

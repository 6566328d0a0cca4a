"""An RTSP camera as a source: one connection from DESCRIBE to TEARDOWN, its packets published into the hub.

Opened by `streams.ingest.connector`, watched by `streams.source`, on the event loop. The conversation is
`media.rtsp.client`'s, the packets are `InterleavedReceiver`'s or `UdpPair`'s; here they meet the clock and the socket.
Writes no log line of its own except for what is not an error; never holds a URL with credentials.
"""

import asyncio
import contextlib
import secrets
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field

from media.base.clock import Clock
from media.base.errors import ProtocolError, RemoteProtocolError
from media.packet import Codec, EndReason, Kind
from media.rtsp.client import (
    ClientOptions,
    ClientSession,
    Described,
    Event,
    Failed,
    Failure,
    Playing,
    Redirected,
    TornDown,
)
from media.rtsp.message import Message
from media.rtsp.transport import Transport
from media.sdp.tracks import MediaDescription
from streams.hub import Stream
from streams.ingest.connection import SourceError, SourceStats
from streams.ingest.interleaved import InterleavedReceiver, ReceiveBuffer
from streams.ingest.leftover import LeftSession, SessionStore
from streams.ingest.publisher import RunPublisher
from streams.ingest.track import TrackReceiver
from streams.ingest.turns import ReadTurns
from streams.ingest.udp import UdpPair
from streams.ingest.url import SourceUrl

CONNECT_TIMEOUT_S = 5.0
HANDSHAKE_TIMEOUT_S = 10.0
TEARDOWN_TIMEOUT_S = 1.0
TICK_S = 1.0
_TICK_MOMENTS_PER_S = 20
"""Sources tick together: a worker woken sixty times a second for one each pays mostly for waking."""
REPORT_PERIOD_NS = 4_000_000_000
"""Some cameras hang up when no receiver report came for 5 s."""
UDP_PATIENCE_NS = 3_000_000_000
"""Nothing by UDP for so long after PLAY: something on the way eats it; the next attempt asks for TCP."""
MAX_WRITE_BUFFER_BYTES = 64 << 10
_RTCP_CHANNEL_LIMIT = 255


class RedirectError(Exception):
    """The camera is at another URL; the connector goes there."""

    def __init__(self, url: str) -> None:
        """Remember the URL."""
        super().__init__("redirected")
        self.url = url


@dataclass(frozen=True, slots=True)
class RtspWorld:
    """What all RTSP sources of a worker share."""

    clock: Clock
    buffer: ReceiveBuffer
    turns: ReadTurns
    sessions: SessionStore
    tls: ssl.SSLContext = field(repr=False)


class RtspSource:
    """One connection. Made and opened once; `streams.ingest.connection.SourceConnection` when open."""

    def __init__(self, url: SourceUrl, stream: Stream, transport: Transport, world: RtspWorld) -> None:
        """Prepare; nothing is opened before `open`."""
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._url = url
        self._stream = stream
        self._transport_wish = transport
        self._world = world
        options = ClientOptions(transport=transport, make_cnonce=lambda: secrets.token_hex(8))
        self._client = ClientSession(url.plain, url.credentials, options)
        self._receiver = InterleavedReceiver(world.buffer, world.clock, self._take_early)
        self._receiver.on_message = self._on_message
        self._receiver.on_lost = self._on_lost
        self._socket: asyncio.Transport | None = None
        self._pairs: list[UdpPair] = []
        self._tracks: tuple[TrackReceiver, ...] = ()
        self._publisher: RunPublisher | None = None
        self._opened: asyncio.Future[None] = loop.create_future()
        self._torn_down: asyncio.Future[None] = loop.create_future()
        self._lost: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[EndReason] = loop.create_future()
        self._tick_timer: asyncio.TimerHandle | None = None
        self._ssrc = secrets.randbits(32)
        self._next_report_mono_ns = 0
        self._playing_mono_ns = 0
        self._last_packet_mono_ns = 0
        self._last_packet_wall_us: int | None = None
        self._packets_seen = 0
        self._answers = 0
        self._is_closed = False
        self.udp_failed = False

    # Opening.

    async def open(self, addresses: Sequence[str]) -> None:
        """Connect to the first address that answers and play; SourceError, or RedirectError, and all is closed again."""
        try:
            await self._connect(addresses)
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                if self._transport_wish is Transport.UDP:
                    await self._bind_pairs()
                self._send(self._client.start())
                await self._opened
        except TimeoutError:
            await self.aclose(EndReason.UNREACHABLE)
            raise self._mute_error() from None
        except BaseException:
            await self.aclose(EndReason.UNREACHABLE)
            raise

    async def _connect(self, addresses: Sequence[str]) -> None:
        error: SourceError | None = None
        for address in addresses[:4]:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await self._connect_to(address)
            except TimeoutError:
                error = SourceError(EndReason.UNREACHABLE, "the camera does not answer", code="timeout")
            except ConnectionRefusedError:
                error = SourceError(EndReason.REFUSED, "the camera refuses connections on this port")
            except ssl.SSLError:
                error = SourceError(EndReason.PROTOCOL, "the camera speaks no TLS we understand", code="not_a_camera")
            except OSError:
                error = SourceError(EndReason.UNREACHABLE, "the camera cannot be reached")
            else:
                return
        raise error or SourceError(EndReason.UNREACHABLE, "the host has no address")

    async def _connect_to(self, address: str) -> None:
        tls = self._world.tls if self._url.scheme == "rtsps" else None
        transport, _ = await self._loop.create_connection(
            lambda: self._receiver,
            address,
            self._url.port,
            ssl=tls,
            server_hostname=self._url.host if tls else None,
        )
        self._socket = transport

    async def _bind_pairs(self) -> None:
        assert self._socket is not None
        family = self._socket.get_extra_info("socket").family
        for _ in (Kind.VIDEO, Kind.AUDIO):
            self._pairs.append(await UdpPair.open(socket.AddressFamily(family), self._world.clock))

    def _mute_error(self) -> SourceError:
        """Tell a machine that is no camera from a camera that has no session left to give."""
        if self._receiver.garbage_bytes or not self._answers:
            code = "not_a_camera" if self._receiver.garbage_bytes else "timeout"
            return SourceError(EndReason.UNREACHABLE, "no RTSP answer came", code=code)
        return SourceError(EndReason.UNREACHABLE, "the camera stopped answering", code="timeout")

    # The conversation.

    def _send(self, data: bytes) -> None:
        """Write; a camera that reads nothing is given up before what waits for it grows."""
        if not data or self._socket is None or self._socket.is_closing():
            return
        self._socket.write(data)
        if self._socket.get_write_buffer_size() > MAX_WRITE_BUFFER_BYTES:
            self._end(EndReason.DISCONNECTED)

    def _on_message(self, message: Message) -> None:
        self._answers += 1
        try:
            step = self._client.receive(message, self._world.clock.mono_ns())
        except ProtocolError as error:
            self._fail(SourceError(EndReason.PROTOCOL, error.message))
            return
        self._send(step.send)
        for event in step.events:
            self._on_event(event)

    def _on_event(self, event: Event) -> None:
        match event:
            case Described(tracks):
                self._set_up(tracks)
            case Playing():
                self._play(event)
            case Redirected(url):
                self._redirected(url)
            case Failed(reason, status, message):
                self._fail(_refusal(reason, status, message))
            case TornDown():
                if not self._torn_down.done():
                    self._torn_down.set_result(None)

    def _set_up(self, described: Sequence[MediaDescription]) -> None:
        """Take the first picture and the first sound: a camera's further tracks are metadata or back channels."""
        chosen = [
            track
            for kind in (Kind.VIDEO, Kind.AUDIO)
            for track in [t for t in described if t.kind is kind and t.params.codec is not Codec.VP8][:1]
        ]
        if not chosen:
            self._fail(SourceError(EndReason.UNSUPPORTED, "the camera has no track in a codec we carry"))
            return
        ports = [pair.port for pair in self._pairs[: len(chosen)]]
        self._send(self._client.setup(chosen, ports))

    def _play(self, playing: Playing) -> None:
        """The camera plays: let the packets in. They may follow in the very bytes being read."""
        self._tracks = tuple(TrackReceiver(index, track, self._on_report) for index, track in enumerate(playing.tracks))
        self._publisher = RunPublisher(
            self._stream,
            [track.playing.media.params for track in self._tracks],
            on_reorder_lost=self._renew,
        )
        for track in self._tracks:
            self._admit(track)
        if self._socket is not None and self._url.scheme == "rtsp":
            self._world.turns.add(self._socket, self._receiver)
        now_ns = self._world.clock.mono_ns()
        self._playing_mono_ns = self._last_packet_mono_ns = now_ns
        self._next_report_mono_ns = now_ns + REPORT_PERIOD_NS // 4
        self._set_tick()
        if self._client.session_id:
            left = LeftSession(self._client.session_id, self._client.control_url)
            self._world.sessions.save(self._stream.key, left)
        if not self._opened.done():
            self._opened.set_result(None)

    def _admit(self, track: TrackReceiver) -> None:
        """Connect a track's packets with its receiver."""
        assert self._publisher is not None
        reply = track.playing.reply
        if reply.transport is Transport.UDP:
            camera = str(self._socket.get_extra_info("peername")[0]) if self._socket is not None else ""
            self._pairs[track.index].listen(camera, track.depacketizer.push, track.push_rtcp, self._publisher.take)
        else:
            self._receiver.take = self._publisher.take
            self._receiver.channels[reply.rtp_channel] = track.depacketizer.push
            self._receiver.followers[reply.rtp_channel] = track.depacketizer.follow
            self._receiver.channels[min(reply.rtcp_channel, _RTCP_CHANNEL_LIMIT)] = track.push_rtcp

    def _renew(self, index: int) -> None:
        self._tracks[index].renew()
        self._admit(self._tracks[index])

    def _take_early(self, _unit: object) -> None:
        """No unit comes before `_play`."""

    def _redirected(self, url: str) -> None:
        if self._opened.done():
            self._end(EndReason.DISCONNECTED)
        else:
            self._opened.set_exception(RedirectError(url))

    def _fail(self, error: SourceError) -> None:
        if self._opened.done():
            self._end(error.reason)
        else:
            self._opened.set_exception(error)

    def _on_lost(self, error: Exception | None) -> None:
        if self._socket is not None:
            self._world.turns.remove(self._socket)
        if not self._lost.done() and not isinstance(error, RemoteProtocolError):
            self._lost.set_result(None)
        is_foreign = isinstance(error, RemoteProtocolError) or self._receiver.garbage_bytes > 0
        if is_foreign and not self._answers:
            self._fail(SourceError(EndReason.PROTOCOL, "what answers is no RTSP server", code="not_a_camera"))
        elif isinstance(error, RemoteProtocolError):
            self._fail(SourceError(EndReason.PROTOCOL, error.message))
        else:
            self._fail(SourceError(EndReason.DISCONNECTED, "the camera closed the connection"))

    def _end(self, reason: EndReason) -> None:
        """The source ended by itself."""
        self._receiver.silence()
        if self._publisher is not None:
            self._publisher.end(reason)
        if not self.ended.done():
            self.ended.set_result(reason)

    # Once a second.

    def _set_tick(self) -> None:
        """Tick in a second, at one of twenty moments a second: several sources wake the worker once."""
        at_s = round((self._loop.time() + TICK_S) * _TICK_MOMENTS_PER_S) / _TICK_MOMENTS_PER_S
        self._tick_timer = self._loop.call_at(at_s, self._tick)

    def _tick(self) -> None:
        """Keep the session alive, report, measure."""
        if self.ended.done() or self._publisher is None:
            return
        now_ns = self._world.clock.mono_ns()
        self._set_tick()
        self._publisher.meter.turn(now_ns)
        self._count_packets(now_ns)
        due_ns = self._client.next_keepalive_mono_ns
        if due_ns is not None and now_ns >= due_ns - 500_000_000:
            self._send(self._client.keepalive(now_ns))
        if now_ns >= self._next_report_mono_ns:
            self._next_report_mono_ns = now_ns + REPORT_PERIOD_NS
            self._report(now_ns)
        for pair in self._pairs:
            pair.expire()

    def _count_packets(self, now_ns: int) -> None:
        """Notice whether packets came since the last tick."""
        seen = sum(track.packets_received for track in self._tracks)
        if seen != self._packets_seen:
            self._packets_seen = seen
            self._last_packet_mono_ns = now_ns
            self._last_packet_wall_us = self._world.clock.wall_us()
        elif not seen and self._uses_udp and now_ns - self._playing_mono_ns > UDP_PATIENCE_NS:
            self.udp_failed = True
            self._end(EndReason.SILENT)

    @property
    def _uses_udp(self) -> bool:
        return any(track.playing.reply.transport is Transport.UDP for track in self._tracks)

    def _report(self, now_ns: int) -> None:
        for track in self._tracks:
            report = track.receiver_report(self._ssrc, now_ns)
            if report is None:
                continue
            reply = track.playing.reply
            if reply.transport is Transport.UDP:
                self._pairs[track.index].send_rtcp(report, reply.server_rtcp_port)
            else:
                self._send(b"$" + bytes((reply.rtcp_channel,)) + len(report).to_bytes(2, "big") + report)

    def _on_report(self) -> None:
        if self._publisher is not None:
            self._publisher.synchronise(lambda track, pts: self._tracks[track].mapping.wall_us(pts))

    # What the supervisor sees.

    @property
    def last_media_mono_ns(self) -> int:
        """When the last picture came; before the run, the last packet, to the second."""
        if self._publisher is not None and self._publisher.is_live:
            return self._publisher.last_lead_mono_ns
        return self._last_packet_mono_ns

    @property
    def is_publishing(self) -> bool:
        """Tell whether a run has begun in the hub."""
        return self._publisher is not None and self._publisher.runs > 0

    def stats(self) -> SourceStats:
        """Return the figures of now."""
        publisher = self._publisher
        if publisher is None:
            return SourceStats()
        bitrate_bps, fps = publisher.meter.rates()
        return SourceStats(
            video=publisher.params_of(Kind.VIDEO),
            audio=publisher.params_of(Kind.AUDIO),
            fps=fps,
            bitrate_bps=bitrate_bps,
            clock_offset_ms=next((t.mapping.offset_ms for t in self._tracks if t.mapping.offset_ms is not None), None),
            last_packet_wall_us=self._last_packet_wall_us,
            packets_received=sum(track.packets_received for track in self._tracks),
            packets_lost=sum(track.packets_lost for track in self._tracks),
            timestamps_repaired=publisher.timestamps_repaired,
            units_dropped=publisher.units_dropped,
        )

    async def aclose(self, reason: EndReason) -> None:
        """End the run, say goodbye and close, within 2 s. Idempotent."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._tick_timer is not None:
            self._tick_timer.cancel()
        self._end(reason)
        for pair in self._pairs:
            pair.close()
        if not self._opened.done():
            self._opened.cancel()
        if self._socket is not None:
            await self._say_goodbye()
            self._socket.abort()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await self._lost

    async def _say_goodbye(self) -> None:
        """Tear the session down and wait a moment for the answer; only then is it forgotten."""
        farewell = self._client.teardown()
        if not farewell or self._lost.done():
            return
        self._send(farewell)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TEARDOWN_TIMEOUT_S):
                await asyncio.wait((self._torn_down, self._lost), return_when=asyncio.FIRST_COMPLETED)
        if self._torn_down.done():
            self._world.sessions.forget(self._stream.key)


_REASONS = {
    Failure.UNAUTHORIZED: EndReason.UNAUTHORIZED,
    Failure.NOT_FOUND: EndReason.NOT_FOUND,
    Failure.REFUSED: EndReason.REFUSED,
    Failure.UNSUPPORTED: EndReason.UNSUPPORTED,
    Failure.PROTOCOL: EndReason.PROTOCOL,
}


def _refusal(reason: Failure, status: int, message: str) -> SourceError:
    code = "not_a_camera" if reason is Failure.PROTOCOL else None
    return SourceError(_REASONS[reason], message, code=code, status=status)

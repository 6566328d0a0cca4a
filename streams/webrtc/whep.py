"""The WHEP endpoint of a worker: sessions by id, feeds by stream, on the worker's engine.

Made and closed by the worker's wiring; called by `app` and by the control plane through it, all on one event loop.
Every session runs as a task of its own, so that what goes wrong in one ends one. Says `camera_offline`,
`codec_unsupported`, `too_many_viewers` or `bad_sdp` before anything is allocated. Decides no permissions.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from media.base.errors import ErrorKind, HubError
from media.base.ids import StreamKey
from media.base.tasks import Owner
from media.packet import Codec, CodecParams, Kind
from streams.hub import Hub
from streams.webrtc.answer import Chosen, choose, write_answer
from streams.webrtc.engine import WebRtcEngine, new_ssrc
from streams.webrtc.feed import CARRIED, Feed
from streams.webrtc.offer import Offer, parse_fragment, parse_offer
from streams.webrtc.out_stream import OutStream
from streams.webrtc.outlet import Outlet
from streams.webrtc.peer import PeerEvents
from streams.webrtc.port import UdpPort
from streams.webrtc.viewer import EndCause, Viewer, ViewerIdentity, ViewerStats

log = structlog.get_logger(__name__)

SWEEP_S = 1.0
SWEEP_SLICE = 32
CLOSE_TIMEOUT_S = 2.0
MAX_VIEWERS = 500

OnSessionEnd = Callable[[str, str, str, str, ViewerStats], None]
"""`on_session_end(session_id, user_id, camera_id, reason, stats)`; must return at once."""


@dataclass(frozen=True, slots=True)
class WhepAnswer:
    """What a created session answers. `audio` is `passthrough`, `none` or `aac-later`."""

    session_id: str
    sdp: str
    audio: str


class WhepEndpoint:
    """All viewing sessions of a worker."""

    def __init__(
        self, engine: WebRtcEngine, hub: Hub, on_session_end: OnSessionEnd, *, max_viewers: int = MAX_VIEWERS
    ) -> None:
        """Prepare; `start` when the engine has started."""
        self.engine = engine
        self._hub = hub
        self._clock = engine.clock
        self._on_session_end = on_session_end
        self._max_viewers = max_viewers
        self._owner = Owner("whep")
        self._viewers: dict[str, Viewer] = {}
        self._feeds: dict[StreamKey, Feed] = {}
        self.ended: dict[str, int] = {}
        """How many sessions ended, by cause."""

    async def start(self) -> None:
        """Begin to look after sessions."""
        self._owner.start(self._sweep(), "sweep")

    async def aclose(self) -> None:
        """End every session. Idempotent."""
        await self._end_all(tuple(self._viewers.values()), EndCause.SHUTDOWN)
        await self._owner.aclose()

    @property
    def port(self) -> UdpPort:
        """Return the port all media goes through."""
        return self.engine.port

    @property
    def udp_port(self) -> int:
        """Return its number."""
        return self.engine.udp_port

    async def create(self, offer_sdp: str, key: StreamKey, session_id: str, user_id: str) -> WhepAnswer:
        """Answer an offer for one stream and begin to connect.

        HubError: INVALID `bad_sdp`, UNAVAILABLE `camera_offline`, CONFLICT `codec_unsupported` or
        `session_exists`, EXHAUSTED `too_many_viewers`.
        """
        offer = parse_offer(offer_sdp)
        if session_id in self._viewers:
            raise HubError(ErrorKind.CONFLICT, "this session exists already", code="session_exists")
        if len(self._viewers) >= self._max_viewers:
            raise HubError(ErrorKind.EXHAUSTED, "too many viewers", code="too_many_viewers", limit=self._max_viewers)
        params = self._params_of(key)
        ssrcs = {kind: new_ssrc() for kind in Kind}
        carried = {kind: p for kind, p in params.items() if p.codec in CARRIED or kind is Kind.VIDEO}
        chosen = choose(offer, carried, ssrcs)
        identity = ViewerIdentity(session_id, user_id, key, self._clock.wall_us(), _audio_word(params, chosen))
        viewer = self._make_viewer(identity, offer, chosen)
        sdp = write_answer(offer, chosen, self.engine.transport_of(viewer.peer), f"xiangyun-{session_id}")
        self._viewers[session_id] = viewer
        self._owner.start(self._serve(viewer, offer), session_id)
        return WhepAnswer(session_id, sdp, identity.audio)

    def _params_of(self, key: StreamKey) -> dict[Kind, CodecParams]:
        stream = self._hub.get(key)
        if stream is None or not stream.is_live:
            raise HubError(ErrorKind.UNAVAILABLE, "the camera is offline", code="camera_offline", camera=str(key))
        params: dict[Kind, CodecParams] = {}
        for track in stream.tracks:
            params.setdefault(track.kind, track.params)
        return params

    def _make_viewer(self, identity: ViewerIdentity, offer: Offer, chosen: tuple[Chosen, ...]) -> Viewer:
        feed = self._feed(identity.key)
        outlets = {
            c.ssrc: Outlet(feed.tracks[c.kind], c.format.payload_type, OutStream(c.ssrc, self._clock))
            for c in chosen
            if c.kind in feed.tracks
        }
        viewer = Viewer(identity, feed, self.engine.pump, outlets, self._clock)
        events = PeerEvents(viewer.on_secure, viewer.on_media, viewer.on_address)
        viewer.peer = self.engine.make_peer(events)
        viewer.peer.accept(offer)
        return viewer

    def _feed(self, key: StreamKey) -> Feed:
        stream = self._hub.stream(key)
        feed = self._feeds.get(key)
        if feed is None or feed.stream is not stream:  # another stream: the camera was removed and added again
            feed = self._feeds[key] = Feed(stream, self.engine.pump, self._codecs_changed)
        return feed

    async def _serve(self, viewer: Viewer, offer: Offer) -> None:
        """Supervise one session: whatever happens in it ends here, and its end is reported once."""
        cause = EndCause.FAILED
        try:
            cause = await viewer.run(offer)
        except Exception:  # the supervisor of a session
            log.exception(
                "viewing session failed", session=viewer.identity.session_id, source=viewer.identity.key.source
            )
        finally:
            await self._forget(viewer, viewer.cause or cause)

    async def _forget(self, viewer: Viewer, cause: EndCause) -> None:
        identity = viewer.identity
        if self._viewers.get(identity.session_id) is not viewer:
            return
        del self._viewers[identity.session_id]
        stats = viewer.stats()
        self.ended[cause.value] = self.ended.get(cause.value, 0) + 1
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await viewer.aclose()
        except TimeoutError:
            log.warning("viewing session would not close", session=identity.session_id)
        if not any(other.feed is viewer.feed for other in self._viewers.values()):
            viewer.feed.close()
            if self._feeds.get(identity.key) is viewer.feed:
                del self._feeds[identity.key]
        camera_id = identity.key.source.partition("/")[2]
        self._on_session_end(identity.session_id, identity.user_id, camera_id, cause.value, stats)

    async def _end(self, viewer: Viewer, cause: EndCause) -> None:
        viewer.cause = viewer.cause or cause
        await self._forget(viewer, viewer.cause)

    async def _end_all(self, viewers: Iterable[Viewer], cause: EndCause) -> None:
        await asyncio.gather(*(self._end(viewer, cause) for viewer in viewers))

    async def delete(self, session_id: str) -> bool:
        """End a session at the wish of its viewer; False when there is none."""
        viewer = self._viewers.get(session_id)
        if viewer is None:
            return False
        await self._end(viewer, EndCause.DELETED)
        return True

    async def close_user(self, user_id: str) -> int:
        """End every session of a user whose right is gone; return how many."""
        found = [viewer for viewer in self._viewers.values() if viewer.identity.user_id == user_id]
        await self._end_all(found, EndCause.REVOKED)
        return len(found)

    async def close_sessions(self, session_ids: Iterable[str]) -> int:
        """End these sessions because their right is gone; return how many there were."""
        found = [viewer for name in set(session_ids) if (viewer := self._viewers.get(name)) is not None]
        await self._end_all(found, EndCause.REVOKED)
        return len(found)

    async def trickle(self, session_id: str, fragment_sdp: str) -> None:
        """Take a viewer's later candidates; HubError NOT_FOUND, or CONFLICT for another ICE generation (no restarts)."""
        viewer = self._viewers.get(session_id)
        if viewer is None:
            raise HubError(ErrorKind.NOT_FOUND, "no such session", code="session_not_found")
        fragment, candidates = parse_fragment(fragment_sdp)
        if fragment and fragment != viewer.peer.remote_fragment:
            raise HubError(ErrorKind.CONFLICT, "ICE restarts are not supported", code="ice_restart_unsupported")
        await viewer.peer.add_candidates(candidates)

    def sessions(self) -> tuple[ViewerStats, ...]:
        """Return the figures of every session."""
        return tuple(viewer.stats() for viewer in self._viewers.values())

    def _codecs_changed(self, feed: Feed) -> None:
        """End the sessions of a stream that came back with another video codec: they must ask anew."""
        for viewer in tuple(self._viewers.values()):
            if viewer.feed is feed and not all(feed.serves(outlet.track) for outlet in viewer.outlets):
                self._owner.start(self._end(viewer, EndCause.CODEC_CHANGED), f"{viewer.identity.session_id}/codec")

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            for count, viewer in enumerate(tuple(self._viewers.values())):
                if count % SWEEP_SLICE == 0:
                    await asyncio.sleep(0)  # reports to 500 viewers take 25 ms in one go
                self._judge(viewer)

    def _judge(self, viewer: Viewer) -> None:
        """Let a viewer do what is due, and end it when it or its camera is gone."""
        if self._viewers.get(viewer.identity.session_id) is not viewer:
            return
        is_removed = self._hub.get(viewer.identity.key) is not viewer.feed.stream
        cause = EndCause.CAMERA_REMOVED if is_removed else viewer.tick(self._clock.mono_ns())
        if cause is not None:
            self._owner.start(self._end(viewer, cause), f"{viewer.identity.session_id}/ended")


def _audio_word(params: dict[Kind, CodecParams], chosen: tuple[Chosen, ...]) -> str:
    if any(choice.kind is Kind.AUDIO for choice in chosen):
        return "passthrough"
    audio = params.get(Kind.AUDIO)
    return "aac-later" if audio is not None and audio.codec is Codec.AAC else "none"

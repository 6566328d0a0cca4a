"""The WHEP endpoint of a worker: viewing sessions by id, each of one source of the plane.

Made and closed by the worker's wiring; called by `app` and by the control plane through it, all on one event loop.
Every session is a connection of its own with a task of its own, so that what goes wrong in one ends one. Says
`camera_offline`, `codec_unsupported`, `too_many_viewers` or `bad_sdp` before anything is sent. Decides no permissions.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from media.base.errors import ErrorKind, HubError
from media.base.ids import SourceId, StreamKey
from media.base.tasks import Owner
from media.packet import Codec, CodecParams, Kind
from streams.plane import Plane
from streams.publication import Publication, PublishedTrack
from streams.webrtc.answer import Chosen, choose
from streams.webrtc.engine import WebRtcEngine, new_ssrc
from streams.webrtc.offer import Offer, parse_offer
from streams.webrtc.subscribing import EndCause, SubscribeEvents, SubscribingPeer
from streams.webrtc.viewer import Viewer, ViewerIdentity, ViewerStats

log = structlog.get_logger(__name__)

MAX_VIEWERS = 500

OnSessionEnd = Callable[[str, str, str, str, ViewerStats], None]
"""`on_session_end(session_id, user_id, resource_id, reason, stats)`; must return at once."""


@dataclass(frozen=True, slots=True)
class WhepAnswer:
    """What a created session answers. `audio` is `passthrough`, `none` or `aac-later`."""

    session_id: str
    sdp: str
    audio: str


class WhepEndpoint:
    """All viewing sessions of a worker."""

    def __init__(
        self, engine: WebRtcEngine, plane: Plane, on_session_end: OnSessionEnd, *, max_viewers: int = MAX_VIEWERS
    ) -> None:
        """Prepare; the engine must have started before the first session."""
        self.engine = engine
        self._plane = plane
        self._clock = engine.clock
        self._on_session_end = on_session_end
        self._max_viewers = max_viewers
        self._owner = Owner("whep")
        self._viewers: dict[str, Viewer] = {}
        self._listeners: tuple[Callable[[str], None], ...] = ()
        self.ended: dict[str, int] = {}
        """How many sessions ended, by cause."""

    def listen(self, on_ended: Callable[[str], None]) -> None:
        """Call `on_ended(session_id)` as well at the end of every session."""
        self._listeners = (*self._listeners, on_ended)

    async def aclose(self) -> None:
        """End every session. Idempotent."""
        await self._end_all(tuple(self._viewers.values()), EndCause.SHUTDOWN)
        await self._owner.aclose()

    async def create(self, offer_sdp: str, key: StreamKey, session_id: str, user_id: str) -> WhepAnswer:
        """Answer an offer for one stream of a camera of this worker and begin to connect.

        HubError: INVALID `bad_sdp`, UNAVAILABLE `camera_offline`, CONFLICT `codec_unsupported` or
        `session_exists`, EXHAUSTED `too_many_viewers`.
        """
        try:
            return await self.create_for(offer_sdp, key.source, session_id, user_id, quality=key.quality.value)
        except HubError as error:
            if error.code in ("source_not_found", "source_offline"):
                raise HubError(
                    ErrorKind.UNAVAILABLE, "the camera is offline", code="camera_offline", camera=str(key)
                ) from error
            raise

    async def create_for(
        self, offer_sdp: str, source: SourceId, session_id: str, user_id: str, *, quality: str = "", slot: str = ""
    ) -> WhepAnswer:
        """As `create`, for any source of the worker in `slot`: its first picture and its first sound.

        With `quality`, that layer of the picture and no other. HubError also NOT_FOUND `source_not_found` and
        UNAVAILABLE `source_offline`.
        """
        offer = parse_offer(offer_sdp)
        self._check_room_for(session_id)
        publication = await self._plane.acquire(source, slot)
        try:
            self._check_room_for(session_id)
            return await self._open(offer, publication, (session_id, user_id), quality)
        except BaseException:
            self._plane.release(publication)
            raise

    def _check_room_for(self, session_id: str) -> None:
        if session_id in self._viewers:
            raise HubError(ErrorKind.CONFLICT, "this session exists already", code="session_exists")
        if len(self._viewers) >= self._max_viewers:
            raise HubError(ErrorKind.EXHAUSTED, "too many viewers", code="too_many_viewers", limit=self._max_viewers)

    async def _open(self, offer: Offer, publication: Publication, who: tuple[str, str], quality: str) -> WhepAnswer:
        session_id, user_id = who
        tracks = _first_tracks(publication, quality)
        chosen = choose(
            offer, {kind: params for kind, (_, params) in tracks.items()}, {kind: new_ssrc() for kind in Kind}
        )
        audio = _audio_word(publication, chosen)
        events = SubscribeEvents(
            _ignore_layer, _ignore_quality, lambda cause: self._connection_ended(session_id, cause)
        )
        connection = SubscribingPeer(self.engine, f"xiangyun-{session_id}", events)
        identity = ViewerIdentity(session_id, user_id, publication.source, quality, self._clock.wall_us(), audio)
        viewer = self._viewers[session_id] = Viewer(identity, connection, publication, self._end_soon)
        try:
            sdp = await connection.accept(offer, chosen, are_slots=False)
        except BaseException:
            del self._viewers[session_id]
            await viewer.aclose(EndCause.FAILED)
            raise
        viewer.show({offer.sections[one.section_index].mid: tracks[one.kind][0].name for one in chosen})
        return WhepAnswer(session_id, sdp, audio)

    def _connection_ended(self, session_id: str, cause: EndCause) -> None:
        viewer = self._viewers.get(session_id)
        if viewer is not None:
            self._end_soon(viewer, cause)

    def _end_soon(self, viewer: Viewer, cause: EndCause) -> None:
        self._owner.start(self._end(viewer, cause), f"{viewer.identity.session_id}/{cause.value}")

    async def _end(self, viewer: Viewer, cause: EndCause) -> None:
        """End a session and report it, once."""
        identity = viewer.identity
        if self._viewers.get(identity.session_id) is not viewer:
            return
        del self._viewers[identity.session_id]
        stats = viewer.stats()
        self.ended[cause.value] = self.ended.get(cause.value, 0) + 1
        await viewer.aclose(cause)
        self._plane.release(viewer.publication)
        resource_id = identity.source.partition("/")[2]
        self._on_session_end(identity.session_id, identity.user_id, resource_id, cause.value, stats)
        for on_ended in self._listeners:
            on_ended(identity.session_id)

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
        await viewer.connection.add_candidates(fragment_sdp)

    def sessions(self) -> tuple[ViewerStats, ...]:
        """Return the figures of every session."""
        return tuple(viewer.stats() for viewer in self._viewers.values())


def _first_tracks(publication: Publication, quality: str) -> dict[Kind, tuple[PublishedTrack, CodecParams]]:
    """Return the first live track of each kind with the codec of the layer to be shown.

    HubError UNAVAILABLE `source_offline` when nothing is live, or the wanted layer is not.
    """
    found: dict[Kind, tuple[PublishedTrack, CodecParams]] = {}
    for track in publication.tracks:
        is_pinned = bool(quality) and track.kind is Kind.VIDEO
        layers = [layer for layer in track.layers if not is_pinned or (layer.rid == quality and layer.is_flowing)]
        if track.kind not in found and track.is_live and layers:
            found[track.kind] = (track, layers[-1].track.params)
    has_picture = any(track.kind is Kind.VIDEO and track.layers for track in publication.tracks)
    if not found or (has_picture and Kind.VIDEO not in found):
        raise HubError(ErrorKind.UNAVAILABLE, "the source is offline", code="source_offline", source=publication.source)
    return found


def _audio_word(publication: Publication, chosen: tuple[Chosen, ...]) -> str:
    if any(choice.kind is Kind.AUDIO for choice in chosen):
        return "passthrough"
    return "aac-later" if Codec.AAC in publication.left_out else "none"


def _ignore_layer(_mid: str, _rid: str | None) -> None:
    """A WHEP viewer cannot be told."""


def _ignore_quality(_level: int, _rtt_ms: float | None, _loss: float) -> None:
    """As above."""

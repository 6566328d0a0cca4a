"""One viewing session of foreign software (WHEP): a connection whose lines show one source from start to end.

Made by `whep` on the event loop. The lines were negotiated for the codecs the source had then: when it comes back with
others, the session ends and the viewer must ask anew. Everything else is the connection's and its slots' work.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from media.base.ids import SourceId
from media.packet import Kind
from streams.publication import Publication, TrackName
from streams.webrtc.layers import Wish
from streams.webrtc.outlet import OutletState
from streams.webrtc.subscribing import EndCause, SlotStats, SubscribingPeer


@dataclass(frozen=True, slots=True)
class ViewerIdentity:
    """Who watches what, and since when. `quality` is the layer it insists on, empty when any will do."""

    session_id: str
    user_id: str
    source: SourceId
    quality: str
    started_wall_us: int
    audio: str


@dataclass(frozen=True, slots=True)
class ViewerStats:
    """A session's figures. Times in milliseconds, sizes in bytes; `lost` and `jitter_ms` are the viewer's own words."""

    session_id: str
    user_id: str
    source: str
    quality: str
    audio: str
    started_wall_us: int
    state: str
    remote: str
    srtp_profile: str
    packets_sent: int
    bytes_sent: int
    packets_resent: int
    nacks: int
    key_requests: int
    groups_resent: int
    lost: int
    fraction_lost: float
    jitter_ms: float
    rtt_ms: float | None
    ignored: int


class Viewer:
    """A session from its answer to its end."""

    def __init__(
        self,
        identity: ViewerIdentity,
        connection: SubscribingPeer,
        publication: Publication,
        on_cause: Callable[["Viewer", EndCause], None],
    ) -> None:
        """Prepare; `on_cause` is told when the source ends or changes its codec."""
        self.identity = identity
        self.connection = connection
        self.publication = publication
        self._on_cause = on_cause
        self._names: dict[str, TrackName] = {}
        self._stop_listening = publication.listen(lambda _: self._source_changed())

    def show(self, names: Mapping[str, TrackName]) -> None:
        """Show these tracks in the lines of these mids from now on."""
        self._names = dict(names)
        for mid, name in names.items():
            track, slot = self.publication.get(name), self.connection.slots.get(mid)
            if track is not None and slot is not None:
                slot.show(track, Wish(rid=self._layer_of(track.kind)))

    def _layer_of(self, kind: Kind) -> str | None:
        return self.identity.quality or None if kind is Kind.VIDEO else None

    def _source_changed(self) -> None:
        if self.publication.is_ended:
            is_camera = self.identity.source.startswith("camera/")
            self._on_cause(self, EndCause.CAMERA_REMOVED if is_camera else EndCause.SOURCE_ENDED)
        elif any(not self._still_plays(mid, name) for mid, name in self._names.items()):
            self._on_cause(self, EndCause.CODEC_CHANGED)

    def _still_plays(self, mid: str, name: TrackName) -> bool:
        """Tell whether a line can go on; sound that is gone leaves the picture."""
        track, slot = self.publication.get(name), self.connection.slots.get(mid)
        if track is None or slot is None:
            return True
        rid = self._layer_of(track.kind)
        layers = [layer for layer in track.layers if rid is None or layer.rid == rid]
        return not layers or any(slot.can_play(layer) for layer in layers)

    async def aclose(self, cause: EndCause) -> None:
        """Say goodbye, stop sending and free the path. Idempotent."""
        self._stop_listening()
        await self.connection.aclose(cause)

    def stats(self) -> ViewerStats:
        """Return the session's figures now."""
        seen = self.connection.stats()
        video = next((slot for slot in seen.slots if slot.kind is Kind.VIDEO), None)
        state = OutletState.LIVE.value if video is None else video.state
        return ViewerStats(
            session_id=self.identity.session_id,
            user_id=self.identity.user_id,
            source=self.identity.source,
            quality=self.identity.quality,
            audio=self.identity.audio,
            started_wall_us=self.identity.started_wall_us,
            state=state if seen.is_secure else "connecting",
            remote=seen.remote,
            srtp_profile=seen.srtp_profile,
            packets_sent=_total(seen.slots, "packets_sent"),
            bytes_sent=_total(seen.slots, "bytes_sent"),
            packets_resent=_total(seen.slots, "packets_resent"),
            nacks=_total(seen.slots, "nacks"),
            key_requests=_total(seen.slots, "key_requests"),
            groups_resent=_total(seen.slots, "groups_resent"),
            lost=video.lost if video is not None else 0,
            fraction_lost=video.fraction_lost if video is not None else 0.0,
            jitter_ms=video.jitter_ms if video is not None else 0.0,
            rtt_ms=seen.rtt_ms,
            ignored=seen.ignored,
        )


def _total(slots: tuple[SlotStats, ...], name: str) -> int:
    return sum(int(getattr(slot, name)) for slot in slots)

"""Which stream a packet belongs to: source → layer of a track, or retransmissions of one.

Pure; one per publishing peer, asked by `publishing` for every packet on the event loop: one look-up once a source is
known. Sources are learned from the SDP and from the mid, rid and repaired-rid extensions (RFC 8843 §9.2, 8852), so
camera and screen share one bundle with retransmissions for both. Bounded: a peer that invents sources is ignored.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from media.rtp.packet import Buffer, parse_extension
from streams.publication import TrackName
from streams.webrtc import extensions
from streams.webrtc.answer_publish import Accepted

MAX_SOURCES = 96
"""Eight tracks of three layers with retransmissions are 48; as many again for a page that changes its sources."""

_MAX_RID_CHARS = 16


class Route(NamedTuple):
    """Where the packets of a source go. `repairs` is empty for media, else retransmission type → original type."""

    line: Accepted
    rid: str
    repairs: Mapping[int, int]

    @property
    def key(self) -> tuple[TrackName, str]:
        """Return track and layer."""
        return self.line.name, self.rid


class Demux:
    """The sources of one publisher."""

    def __init__(self) -> None:
        """Know nothing until `configure`."""
        self.routes: dict[int, Route] = {}
        """Source → route; the hot path reads it directly."""
        self.unknown: int = 0
        self._lines: tuple[Accepted, ...] = ()
        self._pairs: dict[int, int] = {}
        """Source of retransmissions → source of media, as the SDP says."""
        self._seen: set[int] = set()

    def configure(self, lines: Iterable[Accepted]) -> None:
        """Take the accepted lines of an answer; sources of lines that are gone are forgotten, others stay."""
        self._lines = tuple(lines)
        by_name = {line.name: line for line in self._lines}
        kept = {}
        for ssrc, route in self.routes.items():
            line = by_name.get(route.line.name)
            if line is not None and line.mid == route.line.mid:
                kept[ssrc] = route._replace(line=line, repairs=line.repairs if route.repairs else {})
        self.routes = kept
        self._pairs = {repair: media for line in self._lines for media, repair in line.ssrc_repairs.items()}
        for line in self._lines:
            self._take_ssrcs(line)

    def _take_ssrcs(self, line: Accepted) -> None:
        """Route what the SDP says outright. With several layers it does not say which source is which layer."""
        if len(line.rids) > 1:
            return
        media = next((ssrc for ssrc in line.ssrcs if ssrc not in self._pairs), None)
        if media is None:
            return
        rid = line.rids[0] if line.rids else ""
        self._bind(media, Route(line, rid, {}))
        for repair, original in self._pairs.items():
            if original == media:
                self._bind(repair, Route(line, rid, line.repairs))

    def _bind(self, ssrc: int, route: Route) -> None:
        if ssrc in self._seen or len(self._seen) < MAX_SOURCES:
            self._seen.add(ssrc)
            self.routes[ssrc] = route

    def admits(self, ssrc: int) -> bool:
        """Tell whether a packet of this source may be looked at: one we know, or one of not too many others."""
        return ssrc in self._seen or len(self._seen) < MAX_SOURCES

    def learn(self, ssrc: int, payload_type: int, block: Buffer) -> Route | None:
        """Find out where an authentic packet of a source without route belongs; None (counted) while it cannot be told.

        `block` is its header extension, profile and length first, or empty.
        """
        route = self._route_of(ssrc, payload_type, block) if self.admits(ssrc) else None
        if route is None:
            self.unknown += 1
            if len(self._seen) < MAX_SOURCES:
                self._seen.add(ssrc)
            return None
        self._bind(ssrc, route)
        return route

    def _route_of(self, ssrc: int, payload_type: int, block: Buffer) -> Route | None:
        elements = _elements(block)
        line = self._line_of(payload_type, elements)
        if line is None:
            return None
        is_repair = payload_type in line.repairs
        if not is_repair and payload_type not in line.codecs:
            return None
        rid = self._layer_of(line, ssrc, elements, is_repair=is_repair)
        return None if rid is None else Route(line, rid, line.repairs if is_repair else {})

    def _line_of(self, payload_type: int, elements: dict[int, bytes]) -> Accepted | None:
        for line in self._lines:
            number = line.ids.get(extensions.MID)
            mid = elements.get(number) if number is not None else None
            if mid is not None and mid == line.mid.encode():
                return line
        with_type = [line for line in self._lines if payload_type in line.codecs or payload_type in line.repairs]
        has_mid = any(line.ids.get(extensions.MID) in elements for line in with_type)
        return with_type[0] if len(with_type) == 1 and not has_mid else None

    def _layer_of(self, line: Accepted, ssrc: int, elements: dict[int, bytes], *, is_repair: bool) -> str | None:
        """Return the layer by its rid, by the SDP's pairing of sources, or because there is only one."""
        uri = extensions.REPAIRED_RID if is_repair else extensions.RID
        number = line.ids.get(uri)
        value = elements.get(number) if number is not None else None
        if value is not None:
            rid = value[:_MAX_RID_CHARS].decode("ascii", "replace")
            return rid if rid in line.rids else None
        if is_repair and (media := self.routes.get(self._pairs.get(ssrc, -1))) is not None:
            return media.rid
        if len(line.rids) > 1:
            return None
        return line.rids[0] if line.rids else ""

    def sources_of(self, name: TrackName, rid: str) -> list[int]:
        """Return the media sources routed to a layer, the newest last."""
        return [ssrc for ssrc, route in self.routes.items() if route.key == (name, rid) and not route.repairs]

    def drop(self, ssrc: int) -> None:
        """Forget the route of a source that another has taken the place of."""
        self.routes.pop(ssrc, None)


def _elements(block: Buffer) -> dict[int, bytes]:
    if len(block) < 4:
        return {}
    return parse_extension(block[0] << 8 | block[1], bytes(block[4:]))

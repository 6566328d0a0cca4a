"""Choose what of a publisher's offer we take, and write the answer.

Pure: values in, text out; called by `publishing`. H.264 stands first, every profile offered, then VP8; Opus for sound.
A line that cannot be carried, or that nobody gave a name, is rejected alone and the rest lives; data channels always
are. Video orientation is not taken: the browser then turns its pictures itself, and recordings show them upright.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from media.base.errors import ErrorKind, HubError
from media.packet import Codec, Kind
from media.rtp import rtx
from media.rtp.extension_map import ExtensionMap
from streams.publication import TrackName
from streams.webrtc import extensions
from streams.webrtc.answer import LocalTransport
from streams.webrtc.offer import Format, Offer, Section

MAX_TRACKS = 8
MAX_LAYERS = 3

_VIDEO_CODECS = {"H264": Codec.H264, "VP8": Codec.VP8}
_AUDIO_CODECS = {"OPUS": Codec.OPUS, "PCMU": Codec.PCMU, "PCMA": Codec.PCMA}
_VIDEO_FEEDBACK = ("nack", "nack pli", "ccm fir", "transport-cc")
_AUDIO_FEEDBACK = ("nack", "transport-cc")
_VIDEO_EXTENSIONS = (
    extensions.MID,
    extensions.RID,
    extensions.REPAIRED_RID,
    extensions.TRANSPORT_CC,
    extensions.ABS_CAPTURE_TIME,
)
_AUDIO_EXTENSIONS = (
    extensions.MID,
    extensions.AUDIO_LEVEL,
    extensions.TRANSPORT_CC,
    extensions.ABS_CAPTURE_TIME,
)


@dataclass(frozen=True, slots=True)
class Accepted:
    """One accepted media line: what it is called, and how its packets are read.

    `is_sending` is False for a line that is kept but pauses; `codecs` are by payload type, in the order of the answer;
    `repairs` is retransmission payload type → original; `ids` are the header extensions taken, by uri.
    """

    index: int
    mid: str
    name: TrackName
    is_sending: bool
    formats: tuple[Format, ...]
    codecs: Mapping[int, Codec]
    repairs: Mapping[int, int]
    rids: tuple[str, ...]
    ids: Mapping[str, int]
    ssrcs: tuple[int, ...] = ()
    ssrc_repairs: Mapping[int, int] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """Return whether the line is seen or heard."""
        return self.name.kind

    @property
    def feedback(self) -> frozenset[str]:
        """Return the feedback all its codecs are answered with."""
        wanted = _VIDEO_FEEDBACK if self.kind is Kind.VIDEO else _AUDIO_FEEDBACK
        return frozenset(kind for kind in wanted if any(kind in entry.feedback for entry in self.formats))

    def extension_map(self) -> ExtensionMap:
        """Return the reader of its packets' header extensions."""
        kept = {number: extensions.CANONICAL[uri] for uri, number in self.ids.items() if uri in extensions.KEPT}
        return ExtensionMap(
            kept, transport=self.ids.get(extensions.TRANSPORT_CC), level=self.ids.get(extensions.AUDIO_LEVEL)
        )


def choose_published(offer: Offer, names: Mapping[str, TrackName]) -> tuple[Accepted, ...]:
    """Return the lines to take, in the order of the offer.

    HubError EXHAUSTED `too_many_tracks`; INVALID `bad_sdp` when one name is given to two lines; CONFLICT
    `codec_unsupported` when lines were named but none can be carried.
    """
    chosen: list[Accepted] = []
    is_wanted = False
    for index, section in enumerate(offer.sections):
        name = names.get(section.mid) if section.mid else None
        if name is None or section.kind != name.kind.value:
            continue
        is_wanted = is_wanted or not section.is_rejected
        if not _is_usable(offer, section, chosen):
            continue
        if any(one.name is name for one in chosen):
            raise HubError(ErrorKind.INVALID, "two media lines have one name", code="bad_sdp", name=name.value)
        accepted = _accept(index, section, name)
        if accepted is not None:
            chosen.append(accepted)
    if len(chosen) > MAX_TRACKS:
        raise HubError(ErrorKind.EXHAUSTED, "too many tracks", code="too_many_tracks", limit=MAX_TRACKS)
    if is_wanted and not chosen:
        raise HubError(ErrorKind.CONFLICT, "nothing offered can be carried", code="codec_unsupported")
    return tuple(chosen)


def _is_usable(offer: Offer, section: Section, chosen: list[Accepted]) -> bool:
    """Tell whether a line could carry media to us: not rejected, RTP with RTCP beside it, on the one transport."""
    if section.is_rejected or not section.has_rtcp_mux or "SAVP" not in section.protocol:
        return False
    return not chosen or (chosen[0].mid in offer.bundle and section.mid in offer.bundle)


def _accept(index: int, section: Section, name: TrackName) -> Accepted | None:
    media = _video_formats(section) if name.kind is Kind.VIDEO else _audio_formats(section)
    if not media:
        return None
    known = {entry.payload_type: entry for entry in media}
    repairs = rtx.associated(
        ((e.payload_type, e.parameter("apt")) for e in section.formats.values() if e.name == "RTX"), known
    )
    taken = _VIDEO_EXTENSIONS if name.kind is Kind.VIDEO else _AUDIO_EXTENSIONS
    ids: dict[str, int] = {}
    for number, uri in section.extensions.items():
        if uri in taken:
            ids.setdefault(uri, number)
    return Accepted(
        index=index,
        mid=section.mid,
        name=name,
        is_sending=section.direction in ("sendrecv", "sendonly"),
        formats=tuple(media),
        codecs={entry.payload_type: _codec_of(entry) for entry in media},
        repairs=repairs,
        rids=_layers(section) if name.kind is Kind.VIDEO and extensions.RID in ids else (),
        ids=ids,
        ssrcs=tuple(section.ssrcs),
        ssrc_repairs=dict(section.repairs),
    )


def _codec_of(entry: Format) -> Codec:
    return _VIDEO_CODECS[entry.name] if entry.name in _VIDEO_CODECS else _AUDIO_CODECS[entry.name]


def _video_formats(section: Section) -> list[Format]:
    """Return H.264 before VP8, and non-interleaved H.264 before single units; else in the browser's own order."""
    found = [e for e in section.formats.values() if e.name in _VIDEO_CODECS and e.clock_rate_hz == 90_000]
    return sorted(found, key=lambda e: 2 if e.name == "VP8" else int(e.parameter("packetization-mode") != "1"))


def _audio_formats(section: Section) -> list[Format]:
    """Return Opus; telephone codecs only when it is not there."""
    opus = [e for e in section.formats.values() if e.name == "OPUS" and e.clock_rate_hz == 48_000]
    plain = [e for e in section.formats.values() if e.name in ("PCMU", "PCMA")]
    return opus or [e for e in plain if e.clock_rate_hz == 8_000 and e.channels == 1]


def _layers(section: Section) -> tuple[str, ...]:
    """Return the layers of simulcast, in the offer's order, at most three; none when it is a single stream."""
    rids = [rid for rid in section.simulcast if rid in section.send_rids][:MAX_LAYERS]
    return tuple(rids or section.send_rids[:1])


def write_published(offer: Offer, accepted: tuple[Accepted, ...], transport: LocalTransport) -> str:
    """Return the answer SDP, one section per section of the offer and in its order."""
    by_index = {one.index: one for one in accepted}
    bundled = [one.mid for one in accepted if one.mid in offer.bundle]
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    if bundled:
        lines.append(f"a=group:BUNDLE {' '.join(bundled)}")
    for index, section in enumerate(offer.sections):
        one = by_index.get(index)
        if one is None:
            lines += [f"m={section.kind} 0 {section.protocol} {section.raw_formats}", "c=IN IP4 0.0.0.0", "a=inactive"]
            lines += [f"a=mid:{section.mid}"] if section.mid else []
        else:
            lines += _section_lines(section, one, transport, with_candidates=one is accepted[0])
    return "\r\n".join(lines) + "\r\n"


def _section_lines(section: Section, one: Accepted, transport: LocalTransport, *, with_candidates: bool) -> list[str]:
    numbers: list[int] = []
    for entry in one.formats:
        numbers += [entry.payload_type, *_repairs_of(one, entry.payload_type)]
    lines = [
        f"m={section.kind} 9 {section.protocol} {' '.join(map(str, numbers))}",
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        f"a=mid:{one.mid}",
        f"a=ice-ufrag:{transport.ice_fragment}",
        f"a=ice-pwd:{transport.ice_password}",
        "a=ice-options:trickle",
        f"a=fingerprint:{transport.fingerprint}",
        f"a=setup:{transport.setup}",
        "a=recvonly" if one.is_sending else "a=inactive",
        "a=rtcp-mux",
    ]
    if section.has_reduced_rtcp:
        lines.append("a=rtcp-rsize")
    lines += [f"a=extmap:{number} {uri}" for uri, number in one.ids.items()]
    for entry in one.formats:
        lines += _format_lines(one, entry)
    lines += [f"a=rid:{rid} recv" for rid in one.rids]
    if len(one.rids) > 1:
        lines.append(f"a=simulcast:recv {';'.join(one.rids)}")
    if with_candidates:
        lines += [f"a=candidate:{candidate}" for candidate in transport.candidates]
        lines.append("a=end-of-candidates")
    return lines


def _repairs_of(one: Accepted, payload_type: int) -> list[int]:
    return [repair for repair, original in one.repairs.items() if original == payload_type]


def _format_lines(one: Accepted, entry: Format) -> list[str]:
    number = entry.payload_type
    name = "opus" if entry.name == "OPUS" else entry.name
    channels = f"/{entry.channels}" if entry.channels > 1 else ""
    wanted = _VIDEO_FEEDBACK if one.kind is Kind.VIDEO else _AUDIO_FEEDBACK
    lines = [f"a=rtpmap:{number} {name}/{entry.clock_rate_hz}{channels}"]
    lines += [f"a=rtcp-fb:{number} {kind}" for kind in wanted if kind in entry.feedback]
    if entry.fmtp:
        lines.append(f"a=fmtp:{number} {entry.fmtp}")
    for repair in _repairs_of(one, number):
        lines += [f"a=rtpmap:{repair} rtx/{entry.clock_rate_hz}", f"a=fmtp:{repair} apt={number}"]
    return lines

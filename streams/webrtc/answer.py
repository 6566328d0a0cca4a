"""Choose what of an offer a source can fill, and write the answer.

Pure: values in, text out; called by `whep` and `subscribing`. Every H.264 profile is answered: the payload type whose profile is
nearest to the camera's is taken with the profile that was offered, because browsers decode High under any label. A
line we cannot fill is rejected alone and the rest lives. No RTX and no bandwidth feedback yet: lost packets are sent
again under their own number, which browsers accept.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from media.base.errors import ErrorKind, HubError
from media.packet import Codec, CodecParams, Kind
from streams.webrtc import extensions
from streams.webrtc.offer import Format, Offer, Section

_NAMES = {
    Codec.H264: "H264",
    Codec.H265: "H265",
    Codec.VP8: "VP8",
    Codec.PCMU: "PCMU",
    Codec.PCMA: "PCMA",
    Codec.OPUS: "OPUS",
}
_SLOT_VIDEO = ("H264", "VP8", "H265")
_SLOT_AUDIO = ("OPUS", "PCMU", "PCMA")
_RATES = {"OPUS": 48_000, "PCMU": 8_000, "PCMA": 8_000}
_FEEDBACK = ("nack", "nack pli", "ccm fir")
_BASELINE = 0x42


@dataclass(frozen=True, slots=True)
class Chosen:
    """One accepted media line: where it stands in the offer and how it is filled.

    `formats` are the payload types answered, best first; `extensions` the header extensions, by id.
    """

    section_index: int
    kind: Kind
    formats: tuple[Format, ...]
    ssrc: int
    extensions: Mapping[int, str] = field(default_factory=dict)

    @property
    def format(self) -> Format:
        """Return the preferred format."""
        return self.formats[0]


@dataclass(frozen=True, slots=True)
class LocalTransport:
    """Our side of ICE and DTLS. `candidates` are finished attribute values; `setup` is our role in the answer."""

    ice_fragment: str
    ice_password: str
    fingerprint: str
    setup: str
    candidates: tuple[str, ...]


def _profile_of(params: CodecParams) -> tuple[int, int]:
    """Return profile_idc and constraint flags from the parameter set or the RFC 6381 string; baseline when unknown."""
    for nal in params.parameter_sets:
        if len(nal) >= 4 and nal[0] & 0x1F == 7:
            return nal[1], nal[2]
    tail = params.rfc6381.partition(".")[2]
    try:
        return int(tail[0:2], 16), int(tail[2:4], 16)
    except ValueError:
        return _BASELINE, 0


def _h264_rank(entry: Format, params: CodecParams) -> tuple[int, int, int]:
    """Rank an offered H.264 format, best first: packetization mode, profile, constraint flags."""
    mode = 0 if entry.parameter("packetization-mode") == "1" else 1
    level_id = entry.parameter("profile-level-id") or "42000a"  # RFC 6184 §8.1: absent means Baseline level 1
    profile_idc, flags = _profile_of(params)
    try:
        offered_idc, offered_flags = int(level_id[0:2], 16), int(level_id[2:4], 16)
    except ValueError:
        return 2, 9, 9
    if offered_idc == profile_idc:
        distance = 0
    elif offered_idc > profile_idc:
        distance = 1  # a decoder of the larger profile
    else:
        distance = 2
    return mode, distance, (offered_flags ^ flags).bit_count()


def _candidates_for(formats: Iterable[Format], params: CodecParams) -> list[Format]:
    name = _NAMES.get(params.codec, "")
    found = [entry for entry in formats if entry.name == name]
    if params.codec is Codec.H264:
        found.sort(key=lambda entry: _h264_rank(entry, params))
    elif params.codec is Codec.OPUS:
        found = [entry for entry in found if entry.clock_rate_hz == 48_000]
    elif params.codec in (Codec.PCMU, Codec.PCMA):
        found = [entry for entry in found if entry.clock_rate_hz == 8_000 and entry.channels == 1]
    return found


def payload_type_for(formats: Iterable[Format], params: CodecParams) -> int | None:
    """Return under which of the answered payload types a track is sent, None when under none."""
    found = _candidates_for(formats, params)
    return found[0].payload_type if found else None


def choose_slots(offer: Offer, ssrc_of: Callable[[str], int]) -> tuple[Chosen, ...]:
    """Accept every line that wants media and knows a codec of ours, with all its payload types that are of use.

    `ssrc_of` gives the source a line (by its mid) is known by: the same in every answer of a connection.
    """
    chosen: list[Chosen] = []
    for index, section in enumerate(offer.sections):
        if section.kind not in ("audio", "video") or not section.mid or not _is_usable(offer, section, chosen):
            continue
        kind = Kind(section.kind)
        formats = _slot_formats(section, kind)
        if formats:
            taken = extensions.accepted(section.extensions)
            chosen.append(Chosen(index, kind, formats, ssrc_of(section.mid), taken))
    return tuple(chosen)


def _slot_formats(section: Section, kind: Kind) -> tuple[Format, ...]:
    names = _SLOT_VIDEO if kind is Kind.VIDEO else _SLOT_AUDIO
    rates = _RATES if kind is Kind.AUDIO else {}
    found = [
        entry
        for entry in section.formats.values()
        if entry.name in names and entry.clock_rate_hz == rates.get(entry.name, 90_000)
    ]
    return tuple(sorted(found, key=lambda e: (names.index(e.name), e.parameter("packetization-mode") != "1")))


def choose(offer: Offer, tracks: dict[Kind, CodecParams], ssrcs: dict[Kind, int]) -> tuple[Chosen, ...]:
    """Match the source's tracks to the offer's lines, at most one line per kind.

    HubError `codec_unsupported` (with the codec) when the video, or for a source without video the audio, fits no
    line: a viewer without picture is told why.
    """
    chosen: list[Chosen] = []
    for index, section in enumerate(offer.sections):
        kind = Kind(section.kind) if section.kind in ("audio", "video") else None
        if kind is None or kind not in tracks or any(c.kind is kind for c in chosen):
            continue
        if not _is_usable(offer, section, chosen):
            continue
        formats = _candidates_for(section.formats.values(), tracks[kind])
        if formats:
            taken = extensions.accepted(section.extensions)
            chosen.append(Chosen(index, kind, (formats[0],), ssrcs[kind], taken))
    needed = Kind.VIDEO if Kind.VIDEO in tracks else Kind.AUDIO
    if not any(c.kind is needed for c in chosen):
        codec = tracks[needed].codec.value if needed in tracks else "none"
        raise HubError(
            ErrorKind.CONFLICT,
            "the viewer's browser cannot play this camera's codec",
            code="codec_unsupported",
            codec=codec,
        )
    return tuple(chosen)


def _is_usable(offer: Offer, section: Section, chosen: list[Chosen]) -> bool:
    """Tell whether a line could carry our media at all: not rejected, wants to receive, shares the one transport."""
    if section.is_rejected or not section.has_rtcp_mux or section.direction in ("sendonly", "inactive"):
        return False
    if "SAVP" not in section.protocol:
        return False
    if not chosen:
        return True
    first = offer.sections[chosen[0].section_index]
    return first.mid in offer.bundle and section.mid in offer.bundle


def write_answer(
    offer: Offer, chosen: tuple[Chosen, ...], transport: LocalTransport, stream_id: str, *, are_slots: bool = False
) -> str:
    """Return the answer SDP, one section per section of the offer and in its order.

    Lines of one source share a stream, so that the browser keeps lips and voice together; slots, which show now this
    and now that, have one each.
    """
    by_index = {choice.section_index: choice for choice in chosen}
    mids = [offer.sections[index].mid for index in sorted(by_index)]
    bundled = [mid for mid in mids if mid and mid in offer.bundle]
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    if bundled:
        lines.append(f"a=group:BUNDLE {' '.join(bundled)}")
    lines.append("a=msid-semantic: WMS *" if are_slots else f"a=msid-semantic: WMS {stream_id}")
    for index, section in enumerate(offer.sections):
        choice = by_index.get(index)
        if choice is None:
            lines += _rejected(section)
        else:
            names = (stream_id, f"slot-{section.mid}" if are_slots else stream_id)
            lines += _accepted(section, choice, transport, names, with_candidates=choice is chosen[0])
    return "\r\n".join(lines) + "\r\n"


def _rejected(section: Section) -> list[str]:
    lines = [f"m={section.kind} 0 {section.protocol} {section.raw_formats}", "c=IN IP4 0.0.0.0", "a=inactive"]
    if section.mid:
        lines.append(f"a=mid:{section.mid}")
    return lines


def _accepted(
    section: Section, choice: Chosen, transport: LocalTransport, names: tuple[str, str], *, with_candidates: bool
) -> list[str]:
    cname, stream = names
    numbers = " ".join(str(entry.payload_type) for entry in choice.formats)
    lines = [f"m={section.kind} 9 {section.protocol} {numbers}", "c=IN IP4 0.0.0.0", "a=rtcp:9 IN IP4 0.0.0.0"]
    if section.mid:
        lines.append(f"a=mid:{section.mid}")
    lines += [
        f"a=ice-ufrag:{transport.ice_fragment}",
        f"a=ice-pwd:{transport.ice_password}",
        "a=ice-options:trickle",
        f"a=fingerprint:{transport.fingerprint}",
        f"a=setup:{transport.setup}",
        "a=sendonly",
        f"a=msid:{stream} {stream}-{choice.kind.value}",
        "a=rtcp-mux",
    ]
    lines += [f"a=extmap:{number} {uri}" for number, uri in choice.extensions.items()]
    for entry in choice.formats:
        lines += _format_lines(entry, choice.kind)
    lines.append(f"a=ssrc:{choice.ssrc} cname:{cname}")
    if with_candidates:
        lines += [f"a=candidate:{candidate}" for candidate in transport.candidates]
        lines.append("a=end-of-candidates")
    return lines


def _format_lines(entry: Format, kind: Kind) -> list[str]:
    number = entry.payload_type
    lines = [f"a=rtpmap:{number} {_encoding(entry, kind)}"]
    lines += [f"a=rtcp-fb:{number} {word}" for word in _FEEDBACK if kind is Kind.VIDEO and word in entry.feedback]
    if entry.fmtp:
        lines.append(f"a=fmtp:{number} {entry.fmtp}")
    return lines


def _encoding(entry: Format, kind: Kind) -> str:
    name = "opus" if entry.name == "OPUS" else entry.name
    channels = f"/{entry.channels}" if kind is Kind.AUDIO and entry.channels > 1 else ""
    return f"{name}/{entry.clock_rate_hz}{channels}"

"""Choose what of an offer a source can fill, and write the answer.

Pure: values in, text out; called by `whep`. Every H.264 profile is answered: the payload type whose profile is
nearest to the camera's is taken with the profile that was offered, because browsers decode High under any label. A
line we cannot fill is rejected alone and the rest lives. No RTX, no header extensions, no bandwidth feedback yet:
lost packets are sent again under their own number, which browsers accept.
"""

from dataclasses import dataclass

from media.base.errors import ErrorKind, HubError
from media.packet import Codec, CodecParams, Kind
from streams.webrtc.offer import Format, Offer, Section

_NAMES = {Codec.H264: "H264", Codec.H265: "H265", Codec.PCMU: "PCMU", Codec.PCMA: "PCMA", Codec.OPUS: "OPUS"}
_FEEDBACK = ("nack", "nack pli", "ccm fir")
_BASELINE = 0x42


@dataclass(frozen=True, slots=True)
class Chosen:
    """One accepted media line: where it stands in the offer and how it is filled."""

    section_index: int
    kind: Kind
    format: Format
    ssrc: int


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


def _candidates_for(section: Section, params: CodecParams) -> list[Format]:
    name = _NAMES.get(params.codec, "")
    found = [entry for entry in section.formats.values() if entry.name == name]
    if params.codec is Codec.H264:
        found.sort(key=lambda entry: _h264_rank(entry, params))
    elif params.codec is Codec.OPUS:
        found = [entry for entry in found if entry.clock_rate_hz == 48_000]
    elif params.codec in (Codec.PCMU, Codec.PCMA):
        found = [entry for entry in found if entry.clock_rate_hz == 8_000 and entry.channels == 1]
    return found


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
        formats = _candidates_for(section, tracks[kind])
        if formats:
            chosen.append(Chosen(index, kind, formats[0], ssrcs[kind]))
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


def write_answer(offer: Offer, chosen: tuple[Chosen, ...], transport: LocalTransport, stream_id: str) -> str:
    """Return the answer SDP, one section per section of the offer and in its order."""
    by_index = {choice.section_index: choice for choice in chosen}
    mids = [offer.sections[index].mid for index in sorted(by_index)]
    bundled = [mid for mid in mids if mid and mid in offer.bundle]
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    if bundled:
        lines.append(f"a=group:BUNDLE {' '.join(bundled)}")
    lines.append(f"a=msid-semantic: WMS {stream_id}")
    for index, section in enumerate(offer.sections):
        choice = by_index.get(index)
        if choice is None:
            lines += _rejected(section)
        else:
            is_first = choice is chosen[0]
            lines += _accepted(section, choice, transport, stream_id, with_candidates=is_first)
    return "\r\n".join(lines) + "\r\n"


def _rejected(section: Section) -> list[str]:
    lines = [f"m={section.kind} 0 {section.protocol} {section.raw_formats}", "c=IN IP4 0.0.0.0", "a=inactive"]
    if section.mid:
        lines.append(f"a=mid:{section.mid}")
    return lines


def _accepted(
    section: Section, choice: Chosen, transport: LocalTransport, stream_id: str, *, with_candidates: bool
) -> list[str]:
    entry = choice.format
    number = entry.payload_type
    lines = [f"m={section.kind} 9 {section.protocol} {number}", "c=IN IP4 0.0.0.0", "a=rtcp:9 IN IP4 0.0.0.0"]
    if section.mid:
        lines.append(f"a=mid:{section.mid}")
    lines += [
        f"a=ice-ufrag:{transport.ice_fragment}",
        f"a=ice-pwd:{transport.ice_password}",
        "a=ice-options:trickle",
        f"a=fingerprint:{transport.fingerprint}",
        f"a=setup:{transport.setup}",
        "a=sendonly",
        f"a=msid:{stream_id} {stream_id}-{choice.kind.value}",
        "a=rtcp-mux",
        f"a=rtpmap:{number} {_encoding(entry, choice.kind)}",
    ]
    lines += [
        f"a=rtcp-fb:{number} {kind}" for kind in _FEEDBACK if choice.kind is Kind.VIDEO and kind in entry.feedback
    ]
    if entry.fmtp:
        lines.append(f"a=fmtp:{number} {entry.fmtp}")
    lines.append(f"a=ssrc:{choice.ssrc} cname:{stream_id}")
    if with_candidates:
        lines += [f"a=candidate:{candidate}" for candidate in transport.candidates]
        lines.append("a=end-of-candidates")
    return lines


def _encoding(entry: Format, kind: Kind) -> str:
    name = "opus" if entry.name == "OPUS" else entry.name
    channels = f"/{entry.channels}" if kind is Kind.AUDIO and entry.channels > 1 else ""
    return f"{name}/{entry.clock_rate_hz}{channels}"

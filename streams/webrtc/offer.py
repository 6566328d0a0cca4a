"""What we need to know of a browser's offer, read leniently and within limits.

Pure: text in, values out; called by the endpoints on the event loop. aiortc's own parser fails a whole offer for one
unknown codec or malformed line; this one skips lines it does not understand and refuses only what cannot be answered:
no media, no ICE credentials, no fingerprint, or more of anything than a person's browser would send.
"""

import ipaddress
import re
from dataclasses import dataclass, field

from media.base.errors import ErrorKind, HubError

MAX_OFFER_BYTES = 256 << 10
"""Chromium's offer of one video and one audio line is 6 KiB, that of a full wall 200 KiB."""

MAX_SECTIONS = 96
"""A wall of 64 pictures and 16 voices, and room for lines that are used no more."""

MAX_EXTENSIONS = 32
MAX_RIDS = 8
MAX_SSRCS = 16
MAX_LINE_CHARS = 2048
MAX_FORMATS = 128
MAX_CANDIDATES = 16
"""Per offer and its trickled additions; more is dropped, the peer-reflexive ones are found anyway."""

_ICE_CHARS = re.compile(r"[A-Za-z0-9+/]+", re.ASCII)
_RID = re.compile(r"[A-Za-z0-9_-]{1,16}", re.ASCII)
_URI = re.compile(r"[!-~]{1,128}", re.ASCII)
_MID = re.compile(r"[!-~]{1,32}", re.ASCII)
_DIGEST = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){19,63}", re.ASCII)
_DIGESTS = frozenset({"sha-256", "sha-384", "sha-512"})
_DIRECTIONS = frozenset({"sendrecv", "recvonly", "sendonly", "inactive"})
_STATIC = {0: ("PCMU", 8000, 1), 8: ("PCMA", 8000, 1)}
"""Payload types that need no rtpmap (RFC 3551 §6)."""


@dataclass(slots=True)
class Format:
    """One payload type of a media line."""

    payload_type: int
    name: str = ""
    clock_rate_hz: int = 0
    channels: int = 1
    fmtp: str = ""
    feedback: list[str] = field(default_factory=list)

    def parameter(self, key: str) -> str:
        """Return the value of one fmtp parameter in lower case, empty when absent."""
        for item in self.fmtp.split(";"):
            name, _, value = item.strip().partition("=")
            if name.lower() == key:
                return value.strip().lower()
        return ""


@dataclass(frozen=True, slots=True)
class RemoteCandidate:
    """An IPv4 UDP candidate of the peer."""

    foundation: str
    priority: int
    host: str
    port: int
    type: str


@dataclass(slots=True)
class Section:
    """One m-line and its attributes."""

    kind: str
    protocol: str
    raw_formats: str
    formats: dict[int, Format] = field(default_factory=dict)
    mid: str = ""
    direction: str = "sendrecv"
    has_rtcp_mux: bool = False
    has_reduced_rtcp: bool = False
    is_rejected: bool = False
    extensions: dict[int, str] = field(default_factory=dict)
    """Header extensions: id → uri."""
    send_rids: list[str] = field(default_factory=list)
    """Layers it can send (RFC 8851)."""
    simulcast: list[str] = field(default_factory=list)
    """Layers it sends at once, in its order (RFC 8853); the first of alternatives, paused or not."""
    ssrcs: list[int] = field(default_factory=list)
    repairs: dict[int, int] = field(default_factory=dict)
    """Source → the source of its retransmissions (`ssrc-group:FID`)."""
    msid: str = ""


@dataclass(slots=True)
class Offer:
    """An offer as far as it concerns us. Transport attributes are of the first section that states them."""

    sections: list[Section] = field(default_factory=list)
    bundle: list[str] = field(default_factory=list)
    ice_fragment: str = ""
    ice_password: str = ""
    is_ice_lite: bool = False
    setup: str = "actpass"
    fingerprints: list[tuple[str, str]] = field(default_factory=list)
    candidates: list[RemoteCandidate] = field(default_factory=list)


def _bad(message: str, **context: object) -> HubError:
    return HubError(ErrorKind.INVALID, message, code="bad_sdp", **context)


def parse_offer(text: str) -> Offer:
    """Read an SDP offer; HubError INVALID `bad_sdp` when it cannot be answered at all."""
    if len(text) > MAX_OFFER_BYTES:
        raise _bad("the offer is too long", size_chars=len(text))
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not lines[0].startswith("v="):
        raise _bad("an offer begins with v=")
    offer = Offer()
    for line in lines:
        if len(line) > MAX_LINE_CHARS:
            raise _bad("a line of the offer is too long", size_chars=len(line))
        if line.startswith("m="):
            _open_section(offer, line[2:])
        elif line.startswith("a="):
            name, _, value = line[2:].partition(":")
            _read_attribute(offer, name, value.strip())
    _check(offer)
    return offer


def _check(offer: Offer) -> None:
    if not offer.sections:
        raise _bad("the offer has no media")
    if not (4 <= len(offer.ice_fragment) <= 256 and _ICE_CHARS.fullmatch(offer.ice_fragment)):
        raise _bad("the offer has no usable ice-ufrag")
    if not (22 <= len(offer.ice_password) <= 256 and _ICE_CHARS.fullmatch(offer.ice_password)):
        raise _bad("the offer has no usable ice-pwd")
    if not offer.fingerprints:
        raise _bad("the offer has no fingerprint we can check")
    mids = [section.mid for section in offer.sections if section.mid]
    if len(mids) != len(set(mids)):
        raise _bad("two media lines share a mid")


def _open_section(offer: Offer, rest: str) -> None:
    if len(offer.sections) >= MAX_SECTIONS:
        raise _bad("too many media lines", limit=MAX_SECTIONS)
    words = rest.split()
    if len(words) < 4 or not _word(words[0]) or not _word(words[2].replace("/", "")):
        raise _bad("malformed media line")
    section = Section(kind=words[0], protocol=words[2], raw_formats=" ".join(words[3 : 3 + MAX_FORMATS]))
    section.is_rejected = words[1] == "0" and "bundle-only" not in rest
    if section.kind in ("audio", "video"):
        for word in words[3 : 3 + MAX_FORMATS]:
            number = _number(word, 127)
            if number is not None and number not in section.formats:
                name, rate, channels = _STATIC.get(number, ("", 0, 1))
                section.formats[number] = Format(number, name, rate, channels)
        section.raw_formats = " ".join(map(str, section.formats)) or "0"
    elif not all(_word(word) or word.isascii() for word in words[3:]):
        raise _bad("malformed media line")
    offer.sections.append(section)


def _word(text: str) -> bool:
    return text.isascii() and text.isalnum()


def _number(text: str, limit: int) -> int | None:
    if not text.isascii() or not text.isdigit() or len(text) > 10:
        return None
    value = int(text)
    return value if value <= limit else None


def _read_attribute(offer: Offer, name: str, value: str) -> None:
    if name in _SESSION_ATTRIBUTES:
        _SESSION_ATTRIBUTES[name](offer, value)
    elif offer.sections and (name in _SECTION_ATTRIBUTES or name in _DIRECTIONS):
        section = offer.sections[-1]
        if name in _DIRECTIONS:
            section.direction = name
        else:
            _SECTION_ATTRIBUTES[name](section, value)


def _read_group(offer: Offer, value: str) -> None:
    words = value.split()
    if words and words[0] == "BUNDLE" and not offer.bundle:
        offer.bundle = words[1:]


def _read_fragment(offer: Offer, value: str) -> None:
    offer.ice_fragment = offer.ice_fragment or value


def _read_password(offer: Offer, value: str) -> None:
    offer.ice_password = offer.ice_password or value


def _read_lite(offer: Offer, _value: str) -> None:
    offer.is_ice_lite = True


def _read_setup(offer: Offer, value: str) -> None:
    if value in ("actpass", "active", "passive"):
        offer.setup = value


def _read_fingerprint(offer: Offer, value: str) -> None:
    algorithm, _, digest = value.partition(" ")
    found = (algorithm.lower(), digest.strip().upper())
    if found[0] in _DIGESTS and _DIGEST.fullmatch(found[1]) and found not in offer.fingerprints[:4]:
        offer.fingerprints.append(found)


def _read_candidate(offer: Offer, value: str) -> None:
    candidate = parse_candidate(value)
    if candidate is not None and len(offer.candidates) < MAX_CANDIDATES and candidate not in offer.candidates:
        offer.candidates.append(candidate)


_SESSION_ATTRIBUTES = {
    "group": _read_group,
    "ice-ufrag": _read_fragment,
    "ice-pwd": _read_password,
    "ice-lite": _read_lite,
    "setup": _read_setup,
    "fingerprint": _read_fingerprint,
    "candidate": _read_candidate,
}


def _read_mid(section: Section, value: str) -> None:
    if _MID.fullmatch(value):
        section.mid = value


def _read_mux(section: Section, _value: str) -> None:
    section.has_rtcp_mux = True


def _read_bundle_only(section: Section, _value: str) -> None:
    section.is_rejected = False


def _format_of(section: Section, word: str) -> Format | None:
    number = _number(word, 127)
    return None if number is None else section.formats.get(number)


def _read_rtpmap(section: Section, value: str) -> None:
    word, _, encoding = value.partition(" ")
    entry = _format_of(section, word)
    parts = encoding.strip().split("/")
    if entry is None or len(parts) < 2:
        return
    rate = _number(parts[1], 1_000_000)
    channels = _number(parts[2], 8) if len(parts) > 2 else 1
    if rate and channels:
        entry.name, entry.clock_rate_hz, entry.channels = parts[0].upper(), rate, channels


def _read_fmtp(section: Section, value: str) -> None:
    word, _, parameters = value.partition(" ")
    if (entry := _format_of(section, word)) is not None:
        entry.fmtp = parameters.strip()


def _read_feedback(section: Section, value: str) -> None:
    word, _, kind = value.partition(" ")
    for number, entry in section.formats.items():
        if word in ("*", str(number)) and len(entry.feedback) < 16:
            entry.feedback.append(kind.strip())


def _read_reduced(section: Section, _value: str) -> None:
    section.has_reduced_rtcp = True


def _read_extension(section: Section, value: str) -> None:
    words = value.split()
    if len(words) < 2 or len(section.extensions) >= MAX_EXTENSIONS:
        return
    number = _number(words[0].partition("/")[0], 255)
    if number and number != 15 and number not in section.extensions and _URI.fullmatch(words[1]):
        section.extensions[number] = words[1]


def _read_rid(section: Section, value: str) -> None:
    words = value.split()
    is_new = len(words) >= 2 and words[1] == "send" and words[0] not in section.send_rids
    if is_new and len(section.send_rids) < MAX_RIDS and _RID.fullmatch(words[0]):
        section.send_rids.append(words[0])


def _read_simulcast(section: Section, value: str) -> None:
    words = value.split()
    for word, streams in zip(words[::2], words[1::2], strict=False):
        if word == "send" and not section.simulcast:
            firsts = [stream.partition(",")[0].removeprefix("~") for stream in streams.split(";")]
            section.simulcast = [rid for rid in dict.fromkeys(firsts) if _RID.fullmatch(rid)][:MAX_RIDS]


def _read_ssrc(section: Section, value: str) -> None:
    ssrc = _number(value.partition(" ")[0], 0xFFFFFFFF)
    if ssrc and ssrc not in section.ssrcs and len(section.ssrcs) < MAX_SSRCS:
        section.ssrcs.append(ssrc)


def _read_ssrc_group(section: Section, value: str) -> None:
    words = value.split()
    if len(words) != 3 or words[0] != "FID" or len(section.repairs) >= MAX_SSRCS:
        return
    media, repair = _number(words[1], 0xFFFFFFFF), _number(words[2], 0xFFFFFFFF)
    if media and repair and media != repair:
        section.repairs.setdefault(media, repair)


def _read_msid(section: Section, value: str) -> None:
    words = value.split()
    if words and not section.msid and _URI.fullmatch(words[0]):
        section.msid = words[0]


_SECTION_ATTRIBUTES = {
    "mid": _read_mid,
    "rtcp-mux": _read_mux,
    "bundle-only": _read_bundle_only,
    "rtpmap": _read_rtpmap,
    "fmtp": _read_fmtp,
    "rtcp-fb": _read_feedback,
    "rtcp-rsize": _read_reduced,
    "extmap": _read_extension,
    "rid": _read_rid,
    "simulcast": _read_simulcast,
    "ssrc": _read_ssrc,
    "ssrc-group": _read_ssrc_group,
    "msid": _read_msid,
}


def parse_candidate(value: str) -> RemoteCandidate | None:
    """Read the value of a candidate attribute; None for what we cannot use: TCP, IPv6, mDNS names, nonsense.

    A name is never resolved: a browser that hides its address behind mDNS is found by its own checks.
    """
    words = value.split()
    if len(words) < 8 or words[1] != "1" or words[2].lower() != "udp" or words[6] != "typ":
        return None
    priority, port = _number(words[3], 0xFFFFFFFF), _number(words[5], 65_535)
    if not priority or not port or words[7] not in ("host", "srflx", "relay") or len(words[0]) > 64:
        return None
    try:
        address = ipaddress.IPv4Address(words[4])
    except ValueError:
        return None
    if address.is_multicast or address.is_unspecified or int(address) == 0xFFFFFFFF:
        return None
    return RemoteCandidate(words[0], priority, str(address), port, words[7])


def parse_fragment(text: str) -> tuple[str, list[RemoteCandidate]]:
    """Read a trickled `application/trickle-ice-sdpfrag` (RFC 8840): its ufrag (may be empty) and usable candidates."""
    if len(text) > MAX_OFFER_BYTES:
        raise _bad("the fragment is too long", size_chars=len(text))
    fragment, candidates = "", []
    for line in text.splitlines():
        name, _, value = line.strip().removeprefix("a=").partition(":")
        if name == "ice-ufrag":
            fragment = value.strip()
        elif name == "candidate" and (candidate := parse_candidate(value)) is not None:
            candidates.append(candidate)
    return fragment, candidates[:MAX_CANDIDATES]

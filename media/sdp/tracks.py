"""From a session description to tracks that can be set up, and back: what a server offers.

Called by `media.rtsp.client` with the reply to DESCRIBE, and by RTSP servers to write one. Pure. Believes a camera as
little as possible: parameter sets that do not parse are left out (the stream will bring them in-band), and control
URLs are repaired. Codecs the hub does not carry yield no track.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlsplit

from media.base.errors import RemoteProtocolError
from media.codec import aac, g711, h264, h265, opus
from media.packet import Codec, CodecParams, Kind
from media.sdp.session import MediaSection, SessionDescription

_CODECS = {
    "H264": Codec.H264,
    "H265": Codec.H265,
    "HEVC": Codec.H265,
    "VP8": Codec.VP8,
    "MPEG4-GENERIC": Codec.AAC,
    "PCMU": Codec.PCMU,
    "PCMA": Codec.PCMA,
    "OPUS": Codec.OPUS,
}
_STATIC_ENCODINGS = {"0": "PCMU/8000", "8": "PCMA/8000"}  # RFC 3551 table 4
_ENCODING_NAMES = {Codec.AAC: "MPEG4-GENERIC", Codec.OPUS: "opus"}
_SET_KEYS = ("sprop-vps", "sprop-sps", "sprop-pps", "sprop-parameter-sets")
_SCHEMES = ("rtsp://", "rtsps://", "rtspu://")
_RTPMAP = re.compile(r"(\d{1,3})\s+([^/\s]+)(?:\s*/\s*(\d{1,9}))?(?:\s*/\s*(\d{1,3}))?")
_DOUBLED_SCHEME = re.compile(r"^(?:rtsp://)+(?=rtsps?://)", re.IGNORECASE)
_DEFAULT_AAC_RATE_HZ = 16_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaDescription:
    """One track that can be set up.

    `index` is its place in the description, `control_url` what SETUP names. `params` holds what the description
    told (video without parameter sets is incomplete until the stream brings them). `format_parameters` are those
    of `a=fmtp`, keys in lower case.
    """

    index: int
    kind: Kind
    control_url: str
    payload_type: int
    clock_rate_hz: int
    params: CodecParams
    format_parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackOffer:
    """One track that a server describes. `control` is relative to the content base."""

    params: CodecParams
    payload_type: int
    control: str
    with_parameter_sets: bool = True


def tracks_of(sdp: SessionDescription, content_base: str) -> list[MediaDescription]:
    """Return the tracks we could set up, in the description's order; back channels and foreign codecs left out.

    `content_base` comes from `effective_base`. One track per `m=` line: its first format that we carry.
    """
    sections = [(index, media) for index, media in enumerate(sdp.media) if media.kind in ("video", "audio")]
    found = []
    for index, media in sections:
        if _is_back_channel(media, [m for _, m in sections]):
            continue
        control = next(iter(media.values("control")), "")
        for payload_type, params, formats in _formats(media, sdp):
            found.append(
                MediaDescription(
                    index=index,
                    kind=params.codec.kind,
                    control_url=resolve_control(content_base, control),
                    payload_type=payload_type,
                    clock_rate_hz=params.clock_rate_hz,
                    params=params,
                    format_parameters=MappingProxyType(formats),
                )
            )
            break
    return found


def effective_base(request_url: str, content_base: str = "", content_location: str = "") -> str:
    """Return the URL that relative controls are appended to; `request_url` is without credentials.

    Repaired: `rtsp://rtsp://…`. Not believed: relative, empty and scheme-less ones, and hosts that are not hosts
    (`rtsp://::ffff:1.2.3.4/`).
    """
    for written in (content_base, content_location):
        candidate = _DOUBLED_SCHEME.sub("", written.strip())
        if candidate.lower().startswith(_SCHEMES) and _has_host(candidate):
            return candidate
    return request_url


def resolve_control(base: str, control: str) -> str:
    """Return the URL to SETUP for a `control` attribute; `*` and nothing name the base itself.

    Appended like text, not like a path (RFC 3986 would drop the query string, and cameras want it kept):
    `rtsp://c/live?channel=1` and `trackID=0` give `rtsp://c/live?channel=1/trackID=0`.
    """
    control = control.strip()
    if control in ("", "*"):
        return base
    if control.lower().startswith(_SCHEMES):
        return control
    if base.endswith("/"):
        return base + control.lstrip("/")
    return base + (control if control[0] in "/?" else "/" + control)


def session_control(sdp: SessionDescription, base: str) -> str:
    """Return the URL that PLAY and TEARDOWN name: the session-level control, or the base."""
    return resolve_control(base, next(iter(sdp.values("control")), "*"))


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def _is_back_channel(media: MediaSection, among: Sequence[MediaSection]) -> bool:
    """Tell whether the section is for sound *to* the camera (ONVIF: `a=sendonly`, seen from us).

    Many cameras mark their only track `sendonly` and mean that they send; so one counts as a back channel only
    beside another section of its kind that is not so marked.
    """
    if media.kind != "audio" or not media.has("sendonly"):
        return False
    return any(other.kind == "audio" and not other.has("sendonly") for other in among)


def _formats(media: MediaSection, sdp: SessionDescription) -> list[tuple[int, CodecParams, dict[str, str]]]:
    """Return payload type, parameters and fmtp of each format that we carry, in order of preference."""
    rtpmaps = {m.group(1): m for value in media.values("rtpmap") if (m := _RTPMAP.match(value))}
    found = []
    for text in media.formats or tuple(rtpmaps):
        match = rtpmaps.get(text) or _RTPMAP.match(f"{text} {_STATIC_ENCODINGS.get(text, '')}")
        if match is None and len(rtpmaps) == 1 and len(media.formats) == 1:
            match = next(iter(rtpmaps.values()))  # rtpmap written for another payload type
        if match is None or int(match.group(1)) > 127:
            continue
        codec = _CODECS.get(match.group(2).upper())
        if codec is None or codec.kind.value != media.kind:
            continue
        formats = _fmtp(media, sdp, match.group(1))
        payload_type = int(text) if text.isascii() and text.isdigit() and int(text) <= 127 else int(match.group(1))
        params = _params(codec, int(match.group(3) or 0), int(match.group(4) or 1), formats)
        found.append((payload_type, params, formats))
    return found


def _fmtp(media: MediaSection, sdp: SessionDescription, payload_type: str) -> dict[str, str]:
    """Return the parameters of `a=fmtp`; one written for another payload type, or above `m=`, counts when alone."""
    values = media.values("fmtp")
    own = [v for v in values if v.split(None, 1)[:1] == [payload_type]]
    if not own and len(values) == 1:
        own = list(values)
    if not own and len(sdp.media) == 1:
        own = list(sdp.values("fmtp"))
    formats: dict[str, str] = {}
    for value in own:
        for part in value.partition(" ")[2].split(";"):
            key, _, content = part.partition("=")
            if key.strip():
                formats.setdefault(key.strip().lower(), content.strip().strip('"'))
    return formats


def _params(codec: Codec, clock_rate_hz: int, channels: int, formats: Mapping[str, str]) -> CodecParams:
    if codec is Codec.H264:
        return h264.codec_params(_parameter_sets(formats))
    if codec is Codec.H265:
        return h265.codec_params(_parameter_sets(formats))
    if codec is Codec.AAC:
        return _aac_params(formats, clock_rate_hz or _DEFAULT_AAC_RATE_HZ, channels)
    if codec is Codec.VP8:
        return CodecParams(codec=codec, clock_rate_hz=90_000, rfc6381="vp8")
    if codec is Codec.OPUS:  # RFC 7587: always 48000/2, whatever the camera writes
        return opus.opus_params()
    return g711.g711_params(codec, clock_rate_hz or g711.SAMPLE_RATE_HZ, max(1, min(channels, 2)))


def _aac_params(formats: Mapping[str, str], clock_rate_hz: int, channels: int) -> CodecParams:
    """Return AAC's parameters from `config`, or a usual AAC-LC of the written clock when that is broken."""
    try:
        return aac.aac_params(bytes.fromhex(formats.get("config", "")), clock_rate_hz)
    except (ValueError, RemoteProtocolError):
        return CodecParams(
            codec=Codec.AAC,
            clock_rate_hz=clock_rate_hz,
            rfc6381="mp4a.40.2",
            sample_rate_hz=clock_rate_hz,
            channels=max(1, min(channels, 2)),
        )


def _parameter_sets(formats: Mapping[str, str]) -> list[bytes]:
    """Return the decoded `sprop-*` sets; what is not base64 is left out, the codec drops what is no set."""
    found = []
    for key in _SET_KEYS:
        for text in formats.get(key, "").split(","):
            compact = "".join(text.split()).rstrip("=")
            try:
                nal = base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
            except (binascii.Error, ValueError):
                continue
            if nal:
                found.append(nal)
    return found


def describe(tracks: Sequence[TrackOffer], *, session_id: int = 0, name: str = "camera", address: str = "") -> str:
    """Return the description that a server answers to DESCRIBE, with CRLF line ends."""
    version, host = ("IP6", address or "::") if ":" in address else ("IP4", address or "0.0.0.0")  # noqa: S104  # the RFC's "any"
    lines = [
        "v=0",
        f"o=- {session_id} 1 IN {version} {host}",
        f"s={name}",
        f"c=IN {version} {'::' if version == 'IP6' else '0.0.0.0'}",  # noqa: S104  # "as negotiated by SETUP"
        "t=0 0",
        "a=range:npt=now-",
        "a=control:*",
    ]
    for offer in tracks:
        lines += _offer_lines(offer)
    return "".join(line + "\r\n" for line in lines)


def _offer_lines(offer: TrackOffer) -> list[str]:
    params, number = offer.params, offer.payload_type
    encoding = f"{_ENCODING_NAMES.get(params.codec, params.codec.value.upper())}/{params.clock_rate_hz}"
    if params.codec is Codec.OPUS or (params.codec is Codec.AAC and params.channels > 1):
        encoding += f"/{params.channels}"
    lines = [f"m={params.codec.kind.value} 0 RTP/AVP {number}", f"a=rtpmap:{number} {encoding}"]
    formats = _offer_formats(offer)
    if formats:
        lines.append(f"a=fmtp:{number} {';'.join(formats)}")
    if params.fps:
        lines.append(f"a=framerate:{params.fps:g}")
    if params.width and params.height:
        lines.append(f"a=x-dimensions:{params.width},{params.height}")
    return [*lines, f"a=control:{offer.control}"]


def _offer_formats(offer: TrackOffer) -> list[str]:
    params = offer.params
    sets = params.parameter_sets if offer.with_parameter_sets else ()
    encoded = [base64.b64encode(nal).decode("ascii") for nal in sets]
    if params.codec is Codec.H264:
        formats = ["packetization-mode=1"]
        if sets:
            formats += [f"profile-level-id={sets[0][1:4].hex()}", f"sprop-parameter-sets={','.join(encoded)}"]
        return formats
    if params.codec is Codec.H265:
        names = {32: "sprop-vps", 33: "sprop-sps", 34: "sprop-pps"}
        kinds = [names.get(nal[0] >> 1 & 0x3F, "") for nal in sets]
        return [f"{kind}={text}" for kind, text in zip(kinds, encoded, strict=True) if kind]
    if params.codec is Codec.AAC:
        modes = "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3"
        return [modes, f"config={params.config.hex()}"]
    return []

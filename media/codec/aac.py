"""AAC: AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2), ADTS headers, and how RFC 3640 lays out access units.

Called by SDP, the audio depacketizer and the container writer. Pure and total: RemoteProtocolError or None for
garbage. Decodes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from media.base.errors import RemoteProtocolError
from media.codec.nal import BitReader, BitWriter
from media.packet import Codec, CodecParams

SAMPLE_RATES_HZ = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
ADTS_HEADER_BYTES = 7
_ESCAPED_RATE = 15
_ESCAPED_TYPE = 31
_SBR, _PS = 5, 29
_CHANNELS_OF_CONFIG = (0, 1, 2, 3, 4, 5, 6, 8)
_TYPES_WITH_GA_CONFIG = frozenset({1, 2, 3, 4, 6, 7, 17, 19, 20, 21, 22, 23})
_MAX_CONFIG_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioConfig:
    """What an AudioSpecificConfig says. `sample_rate_hz` is the core rate; SBR may double it at the output."""

    object_type: int
    sample_rate_hz: int
    channels: int
    samples_per_frame: int = 1024
    has_sbr: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AuHeaderLayout:
    """Bits of the AU headers that RFC 3640 §3.2.1 puts before the frames; the defaults are mode AAC-hbr."""

    size_length: int = 13
    index_length: int = 3
    index_delta_length: int = 3


def au_header_layout(fmtp: Mapping[str, str]) -> AuHeaderLayout:
    """Return the layout of an fmtp's parameters (keys in lower case); AAC-hbr where it says nothing usable."""
    default = AuHeaderLayout()
    return AuHeaderLayout(
        size_length=_small_number(fmtp.get("sizelength"), default.size_length) or default.size_length,
        index_length=_small_number(fmtp.get("indexlength"), default.index_length),
        index_delta_length=_small_number(fmtp.get("indexdeltalength"), default.index_delta_length),
    )


def _small_number(text: str | None, default: int) -> int:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 2:
        return default
    return min(int(text), 32)


def parse_audio_specific_config(config: bytes) -> AudioConfig:
    """Parse the bytes of an AudioSpecificConfig; RemoteProtocolError when they are none."""
    reader = BitReader(config[:_MAX_CONFIG_BYTES])
    object_type = _read_object_type(reader)
    rate_hz = _read_rate(reader)
    channel_config = reader.bits(4)
    has_sbr = object_type in (_SBR, _PS)
    if has_sbr:
        _read_rate(reader)
        object_type = _read_object_type(reader)
    is_short = object_type in _TYPES_WITH_GA_CONFIG and reader.left_bits > 0 and reader.flag()
    if channel_config >= len(_CHANNELS_OF_CONFIG) or not rate_hz or not object_type:
        raise RemoteProtocolError("not an AAC configuration", size=len(config))
    return AudioConfig(
        object_type=object_type,
        sample_rate_hz=rate_hz,
        channels=_CHANNELS_OF_CONFIG[channel_config],
        samples_per_frame=960 if is_short else 1024,
        has_sbr=has_sbr,
    )


def build_audio_specific_config(sample_rate_hz: int, channels: int, object_type: int = 2) -> bytes:
    """Return the configuration of plain AAC (LC unless told); ValueError for a channel count AAC has no code for."""
    writer = BitWriter()
    writer.bits(object_type, 5)
    if sample_rate_hz in SAMPLE_RATES_HZ:
        writer.bits(SAMPLE_RATES_HZ.index(sample_rate_hz), 4)
    else:
        writer.bits(_ESCAPED_RATE, 4)
        writer.bits(sample_rate_hz, 24)
    writer.bits(_CHANNELS_OF_CONFIG.index(channels), 4)
    writer.bits(0, 3)
    return writer.to_bytes()


def aac_params(config: bytes, clock_rate_hz: int = 0) -> CodecParams:
    """Return the parameters of a track; RemoteProtocolError for a bad `config`.

    `clock_rate_hz` is the one of the SDP's rtpmap; 0 means the sample rate.
    """
    parsed = parse_audio_specific_config(config)
    return CodecParams(
        codec=Codec.AAC,
        clock_rate_hz=clock_rate_hz or parsed.sample_rate_hz,
        rfc6381=f"mp4a.40.{_SBR if parsed.has_sbr else parsed.object_type}",
        sample_rate_hz=parsed.sample_rate_hz,
        channels=parsed.channels,
        config=config,
    )


def strip_adts(data: bytes) -> list[bytes] | None:
    """Return the raw frames of ADTS data; None when it is not ADTS from the first to the last byte."""
    frames: list[bytes] = []
    pos, end = 0, len(data)
    while pos < end:
        if end - pos < ADTS_HEADER_BYTES or data[pos] != 0xFF or data[pos + 1] & 0xF6 != 0xF0:
            return None
        size = (data[pos + 3] & 0x03) << 11 | data[pos + 4] << 3 | data[pos + 5] >> 5
        header = ADTS_HEADER_BYTES if data[pos + 1] & 0x01 else ADTS_HEADER_BYTES + 2
        if size <= header or pos + size > end:
            return None
        frames.append(data[pos + header : pos + size])
        pos += size
    return frames or None


def config_of_adts(data: bytes) -> bytes | None:
    """Return the AudioSpecificConfig that an ADTS header implies; None when `data` begins with no such header."""
    if len(data) < ADTS_HEADER_BYTES or data[0] != 0xFF or data[1] & 0xF6 != 0xF0:
        return None
    rate_index = data[2] >> 2 & 0x0F
    channel_config = (data[2] & 0x01) << 2 | data[3] >> 6
    if rate_index >= len(SAMPLE_RATES_HZ):
        return None
    channels = _CHANNELS_OF_CONFIG[channel_config]
    return build_audio_specific_config(SAMPLE_RATES_HZ[rate_index], channels, (data[2] >> 6) + 1)


def _read_object_type(reader: BitReader) -> int:
    object_type = reader.bits(5)
    return 32 + reader.bits(6) if object_type == _ESCAPED_TYPE else object_type


def _read_rate(reader: BitReader) -> int:
    index = reader.bits(4)
    if index == _ESCAPED_RATE:
        return reader.bits(24)
    return SAMPLE_RATES_HZ[index] if index < len(SAMPLE_RATES_HZ) else 0

"""AAC configurations, ADTS and the layout of RFC 3640."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.base.errors import RemoteProtocolError
from media.codec import aac
from media.packet import Codec


def adts(frame: bytes, *, rate_index: int = 3, channels: int = 2, crc: bool = False) -> bytes:
    size = len(frame) + (9 if crc else 7)
    header = bytes(
        (
            0xFF,
            0xF0 | (not crc),
            1 << 6 | rate_index << 2 | channels >> 2,
            (channels & 3) << 6 | size >> 11,
            size >> 3 & 0xFF,
            (size & 7) << 5 | 0x1F,
            0xFC,
        )
    )
    return header + (b"\0\0" if crc else b"") + frame


@pytest.mark.parametrize(
    ("text", "rate_hz", "channels", "object_type", "rfc6381"),
    [
        ("1190", 48000, 2, 2, "mp4a.40.2"),
        ("1588", 8000, 1, 2, "mp4a.40.2"),
        ("1408", 16000, 1, 2, "mp4a.40.2"),
        ("1210", 44100, 2, 2, "mp4a.40.2"),
        ("2b920800", 22050, 2, 2, "mp4a.40.5"),  # HE-AAC: core at 22.05 kHz
    ],
)
def test_configurations_of_cameras(text, rate_hz, channels, object_type, rfc6381):
    params = aac.aac_params(bytes.fromhex(text))
    assert (params.codec, params.sample_rate_hz, params.clock_rate_hz) == (Codec.AAC, rate_hz, rate_hz)
    assert (params.channels, params.rfc6381) == (channels, rfc6381)
    assert aac.parse_audio_specific_config(bytes.fromhex(text)).object_type == object_type


def test_the_short_frame_flag_is_read():
    assert aac.parse_audio_specific_config(b"\x11\x94").samples_per_frame == 960
    assert aac.parse_audio_specific_config(b"\x11\x90").samples_per_frame == 1024


@pytest.mark.parametrize("config", [b"", b"\x11", b"\x00\x00", b"\x16\x80\x00", b"\x11\xc8\x00", b"\xff"])
def test_garbage_is_refused(config):
    with pytest.raises(RemoteProtocolError):
        aac.aac_params(config)


@given(st.sampled_from([*aac.SAMPLE_RATES_HZ, 12345]), st.sampled_from([1, 2, 6, 8]))
def test_a_built_configuration_is_read_back(rate_hz, channels):
    config = aac.parse_audio_specific_config(aac.build_audio_specific_config(rate_hz, channels))
    assert (config.sample_rate_hz, config.channels, config.object_type) == (rate_hz, channels, 2)


@given(st.lists(st.binary(min_size=1, max_size=600), min_size=1, max_size=4), st.booleans())
def test_adts_headers_are_stripped(frames, has_crc):
    assert aac.strip_adts(b"".join([adts(frame, crc=has_crc) for frame in frames])) == frames


@pytest.mark.parametrize("data", [b"", b"\xff", b"\x21\x10", adts(b"abc")[:-1], adts(b"abc") + b"x", adts(b"")])
def test_what_is_not_adts_throughout_is_left_alone(data):
    assert aac.strip_adts(data) is None


def test_an_adts_header_implies_a_configuration():
    config = aac.config_of_adts(adts(b"abc", rate_index=11, channels=1))
    assert config == aac.build_audio_specific_config(8000, 1)
    assert aac.config_of_adts(b"\xff\xf1") is None
    assert aac.config_of_adts(adts(b"abc", rate_index=14)) is None


def test_the_layout_is_read_from_fmtp():
    layout = aac.au_header_layout({"sizelength": "6", "indexlength": "2", "indexdeltalength": "2"})
    assert layout == aac.AuHeaderLayout(size_length=6, index_length=2, index_delta_length=2)


@pytest.mark.parametrize(
    "fmtp", [{}, {"sizelength": "x"}, {"sizelength": "-1"}, {"sizelength": "0"}, {"sizelength": "9" * 99}]
)
def test_an_unusable_layout_is_that_of_aac_hbr(fmtp):
    assert aac.au_header_layout(fmtp) == aac.AuHeaderLayout()

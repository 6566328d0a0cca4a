"""The values streams and recorder share."""

import dataclasses

import pytest

from media.packet import AccessUnit, Codec, CodecParams, Kind, Track

H264 = CodecParams(codec=Codec.H264, clock_rate_hz=90_000)
PCMA = CodecParams(codec=Codec.PCMA, clock_rate_hz=8000)


def test_every_codec_is_video_or_audio() -> None:
    assert {codec for codec in Codec if codec.kind is Kind.VIDEO} == {Codec.H264, Codec.H265, Codec.VP8}


def test_video_needs_parameter_sets_before_a_decoder_can_be_opened() -> None:
    assert not H264.is_complete
    assert dataclasses.replace(H264, parameter_sets=(b"sps", b"pps")).is_complete
    assert PCMA.is_complete


def test_a_unit_cannot_be_changed_by_one_of_its_readers() -> None:
    unit = AccessUnit(0, H264, 0, 0, is_key=True, data=b"1234", received_mono_ns=0, received_wall_us=0)
    assert (unit.kind, unit.size_bytes, Track(1, PCMA).kind) == (Kind.VIDEO, 4, Kind.AUDIO)
    with pytest.raises(AttributeError):
        unit.data = b""  # type: ignore[misc]

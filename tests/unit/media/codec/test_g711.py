"""G.711 parameters."""

import pytest

from media.codec import g711
from media.packet import Codec, Kind


def test_parameters():
    params = g711.g711_params(Codec.PCMA)
    assert (params.codec.kind, params.clock_rate_hz, params.channels, params.rfc6381) == (Kind.AUDIO, 8000, 1, "alaw")
    assert params.is_complete
    assert g711.g711_params(Codec.PCMU, 16000).clock_rate_hz == 16000


def test_other_codecs_are_refused():
    with pytest.raises(ValueError, match=r"not G\.711"):
        g711.g711_params(Codec.AAC)


def test_a_byte_is_a_sample():
    assert g711.duration_ticks(bytes(160)) == 160
    assert g711.duration_ticks(bytes(160), 2) == 80
    assert g711.silence(Codec.PCMU, 3) == b"\xff\xff\xff"
    assert g711.silence(Codec.PCMA, 2) == b"\xd5\xd5"

import pytest

from media.base.errors import HubError
from media.codec import g711, opus, vp8
from media.container.entries import is_storable, sample_entry
from media.packet import Codec


def test_a_vp8_entry_tells_size_and_format():
    entry = sample_entry(vp8.vp8_params(320, 180))
    assert entry[4:8] == b"vp08"
    assert int.from_bytes(entry[32:34], "big") == 320
    assert int.from_bytes(entry[34:36], "big") == 180
    config = entry.index(b"vpcC")
    assert entry[config + 4 : config + 12] == bytes((1, 0, 0, 0, 0, 10, 0x82, 2))


def test_vp8_is_stored_once_its_size_is_known():
    assert not is_storable(vp8.vp8_params())
    assert is_storable(vp8.vp8_params(320, 180))


def test_opus_is_stored_as_it_is():
    assert sample_entry(opus.opus_params())[4:8] == b"Opus"


def test_g711_is_refused():
    params = g711.g711_params(Codec.PCMA)
    assert not is_storable(params)
    with pytest.raises(HubError) as refused:
        sample_entry(params)
    assert refused.value.code == "codec_unsupported"

"""What can be asked of a simulator, and what is refused."""

import pytest

from media.base.errors import HubError
from media.packet import Codec
from streams.simulator.options import SimulatorOptions, parse_defects


@pytest.mark.parametrize(
    "wrong",
    [
        {"cameras": 0},
        {"cameras": 5000},
        {"size": (641, 360)},
        {"size": (640, 362)},
        {"size": (160, 90)},
        {"size": (8192, 4320)},
        {"size": (640, 364), "codec": Codec.H265},
        {"fps": 0},
        {"fps": 61},
        {"gop_s": 7},
        {"gop_s": 2, "body_s": 5},
        {"codec": Codec.VP8},
        {"codecs": {1: Codec.AAC}},
        {"audio": Codec.H264},
        {"audio": Codec.OPUS},
        {"defects": {0: ("no-such",)}},
    ],
)
def test_what_cannot_be_simulated_is_refused(wrong):
    with pytest.raises(HubError) as refusal:
        SimulatorOptions(**wrong)
    assert refusal.value.code == "bad_simulator_options"


def test_cameras_may_differ():
    options = SimulatorOptions(cameras=3, codecs={2: Codec.H265}, audio=Codec.AAC, audios={3: None})
    assert [options.codec_of(c) for c in (1, 2, 3)] == [Codec.H264, Codec.H265, Codec.H264]
    assert [options.audio_of(c) for c in (1, 2, 3)] == [Codec.AAC, Codec.AAC, None]


def test_clips_are_shown_in_turn(tmp_path):
    options = SimulatorOptions(cameras=3, clips=(tmp_path / "a", tmp_path / "b"))
    assert [options.footage_of(c)[-1] for c in (1, 2, 3)] == ["a", "b", "a"]


def test_camera_numbers_are_painted_in_blocks():
    assert [SimulatorOptions(cameras=n).painted_cameras for n in (1, 64, 65)] == [64, 64, 128]


def test_defects_of_the_command_line():
    assert parse_defects(["drop", "3:silence", "3:no-marker"]) == {0: ("drop",), 3: ("silence", "no-marker")}
    with pytest.raises(HubError):
        parse_defects(["x:drop"])


def test_a_password_is_not_represented():
    assert "hush" not in repr(SimulatorOptions(username="u", password="hush"))

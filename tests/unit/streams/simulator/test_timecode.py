"""The painted code reads back, and damage is noticed."""

import numpy as np
import pytest

from streams.simulator import timecode
from streams.simulator.timecode import Reading, crc8, paint_camera, paint_empty, paint_time, read, strip_height

SIZES = [(320, 180), (640, 360), (1280, 720), (1920, 1080)]


def picture(width: int, height: int, camera: int, time_ms: int) -> np.ndarray:
    rows = strip_height(height)
    rest = np.full((height - 2 * rows, width), 120, dtype=np.uint8)
    return np.vstack([paint_camera(width, rows, camera), paint_time(width, rows, time_ms), rest])


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize(("camera", "time_ms"), [(1, 0), (64, 59_960), (999, 599_900), (timecode.MAX_NUMBER, 1)])
def test_what_is_painted_is_read(width, height, camera, time_ms):
    assert read(picture(width, height, camera, time_ms)) == Reading(camera, time_ms)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_noise_and_low_contrast_do_no_harm(width, height):
    rng = np.random.default_rng(1)
    plane = picture(width, height, 12, 34_560).astype(np.float64) * 0.6 + 50
    noisy = np.clip(plane + rng.normal(0, 12, plane.shape), 0, 255).astype(np.uint8)
    assert read(noisy) == Reading(12, 34_560)


def test_one_wrong_cell_is_noticed():
    for cell in range(5, 33):
        plane = picture(640, 360, 7, 1234)
        left, right = 320 * cell // 40, 320 * (cell + 1) // 40
        plane[:16, left:right] = 252 - plane[:16, left:right]
        assert read(plane) is None, cell


@pytest.mark.parametrize("value", [0, 32, 128, 255])
def test_a_picture_without_code_has_none(value):
    assert read(np.full((360, 640), value, dtype=np.uint8)) is None
    assert read(np.random.default_rng(value).integers(0, 255, (360, 640), dtype=np.uint8)) is None


def test_the_figures_for_people_are_in_the_right_half():
    strip = paint_time(640, 16, 83_450)
    assert (strip[:, 320:] > 200).any()
    assert not (paint_empty(640, 16) > 200).any()


def test_crc_is_the_well_known_one():
    assert crc8(0x313233) == 0xC0  # CRC-8/SMBUS of "123"

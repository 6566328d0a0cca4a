"""Which layer a viewer gets, in simulated time."""

from itertools import pairwise

import pytest

from streams.webrtc.layers import LayerOption, LayerSelector, Wish, quality

SIMULCAST = (LayerOption("q", 320, 180), LayerOption("h", 640, 360), LayerOption("f", 1280, 720))
CAMERA = (LayerOption("sub", 704, 576), LayerOption("main", 1920, 1080))
S = 1_000_000_000


@pytest.mark.parametrize(
    ("options", "wish", "rid"),
    [
        (SIMULCAST, Wish(), "f"),
        (SIMULCAST, Wish(160, 90), "q"),
        (SIMULCAST, Wish(400, 225), "q"),  # shown a quarter larger than it is
        (SIMULCAST, Wish(401, 230), "h"),
        (SIMULCAST, Wish(640, 360), "h"),
        (SIMULCAST, Wish(1920, 1080), "f"),
        (SIMULCAST, Wish(640, 2000), "h"),  # bars above and below
        (SIMULCAST, Wish(height_px=700), "f"),
        (SIMULCAST, Wish(is_paused=True), None),
        (SIMULCAST, Wish(rid="h"), "h"),
        (SIMULCAST, Wish(rid="x"), None),
        (CAMERA, Wish(480, 270), "sub"),
        (CAMERA, Wish(1366, 768), "main"),
        (CAMERA[1:], Wish(100, 100), "main"),
        ((LayerOption(""),), Wish(9, 9), ""),
        ((LayerOption("sub"), LayerOption("main")), Wish(480, 270), "sub"),  # sizes are guessed
        ((LayerOption("sub"), LayerOption("main")), Wish(1280, 720), "main"),
        ((LayerOption("q"), LayerOption("h"), LayerOption("f")), Wish(320, 180), "q"),
        ((), Wish(), None),
    ],
)
def test_the_smallest_layer_that_is_large_enough(options, wish, rid):
    assert LayerSelector().choose(options, wish) == rid


def test_a_picture_that_is_resized_a_little_stays():
    selector = LayerSelector()
    chosen = [selector.choose(SIMULCAST, Wish(width, width * 9 // 16)) for width in (390, 410, 390, 330, 324, 320)]
    assert chosen == ["q", "h", "h", "h", "h", "q"]


def test_two_heavy_reports_take_a_layer_and_ten_clean_seconds_give_it_back():
    selector, seen = LayerSelector(), []
    losses = [0, 0.2, 0, 0.2, 0.2, *[0.0] * 11, 0.1, 0.1]
    for second, loss in enumerate(losses):
        selector.report(loss, second * S)
        seen.append(selector.choose(SIMULCAST, Wish()))
    assert seen == ["f"] * 4 + ["h"] * 11 + ["f"] * 2 + ["h"]


def test_each_layer_comes_back_by_itself_and_the_lowest_is_never_taken():
    selector, now = LayerSelector(), 0
    for _ in range(8):
        selector.choose(SIMULCAST, Wish())
        selector.report(0.5, now)
        now += S
    assert selector.choose(SIMULCAST, Wish()) == "q"
    seen = []
    for _ in range(25):
        selector.report(0, now)
        now += S
        seen.append(selector.choose(SIMULCAST, Wish()))
    assert seen == ["q"] * 10 + ["h"] * 10 + ["f"] * 5


def test_a_path_that_breaks_down_again_is_tried_less_often():
    selector, now, ups = LayerSelector(), 0, []
    before = selector.choose(SIMULCAST[:2], Wish())
    for second in range(100):
        rid = selector.choose(SIMULCAST[:2], Wish())
        if (before, rid) == ("q", "h"):
            ups.append(second)
        before = rid
        selector.report(0.3 if rid == "h" else 0.0, now)
        now += S
    assert len(ups) == 3
    assert [b - a for a, b in pairwise(ups)] == sorted(b - a for a, b in pairwise(ups))
    assert ups[1] - ups[0] > 18
    assert ups[2] - ups[1] > 36


def test_moderate_loss_neither_takes_nor_gives():
    selector = LayerSelector()
    selector.choose(SIMULCAST, Wish())
    for second in range(2):
        selector.report(0.3, second * S)
    for second in range(2, 100):
        selector.report(0.05, second * S)
    assert selector.choose(SIMULCAST, Wish()) == "h"


def test_what_the_path_carries_is_remembered_when_another_track_comes():
    selector = LayerSelector()
    selector.choose(SIMULCAST, Wish())
    for second in range(2):
        selector.report(0.3, second * S)
    selector.reset()
    assert selector.choose(CAMERA, Wish()) == "main"  # the limit is the second layer
    assert selector.choose(SIMULCAST, Wish(160, 90)) == "q"


@pytest.mark.parametrize(
    ("loss", "rtt_ms", "level"),
    [(0, 20, 4), (0, None, 4), (0, 200, 3), (0.02, 20, 3), (0.05, 400, 2), (0.1, 20, 1), (0, 900, 1), (0.3, 20, 0), (0, 2000, 0)],
)  # fmt: skip
def test_quality_has_five_levels(loss, rtt_ms, level):
    assert quality(loss, rtt_ms) == level

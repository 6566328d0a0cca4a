"""How far behind a publisher on a bad line its viewers are told to play."""

from media.rtp.extension_map import ExtensionMap
from streams.webrtc.extensions import AUDIO_LEVEL, CANONICAL, PLAYOUT_DELAY, build_block, with_element
from streams.webrtc.playout import FEWEST, KEPT_NS, LEAST_LATE_MS, LOWER_AFTER_NS, MAX_DELAY_MS, PlayoutDelay

SECOND = 1_000_000_000


def late(delay: PlayoutDelay, *late_ms: float, at_s: float = 1.0) -> None:
    for each in late_ms:
        delay.note(each, round(at_s * SECOND))
    delay.review(round(at_s * SECOND))


def told_ms(delay: PlayoutDelay) -> tuple[int, int]:
    """Return the least and the most delay the element says, ms."""
    value = int.from_bytes(delay.element[1:], "big")
    return (value >> 12) * 10, (value & 0xFFF) * 10


def test_a_good_line_has_no_delay_and_no_element():
    delay = PlayoutDelay()
    late(delay, *[LEAST_LATE_MS - 1] * 100)
    late(delay, *[500] * (FEWEST - 1), at_s=2)
    assert (delay.delay_ms, delay.element) == (0, b"")


def test_it_covers_nearly_all_that_come_late_and_no_more_than_people_bear():
    delay = PlayoutDelay()
    late(delay, *[100] * 97, 900, 900)
    assert delay.delay_ms == 120
    assert told_ms(delay) == (120, 40_950)
    late(delay, *[900] * 20, at_s=2)
    assert told_ms(delay)[0] == MAX_DELAY_MS


def test_it_is_raised_at_once_and_lowered_slowly_until_it_says_zero():
    delay = PlayoutDelay()
    late(delay, *[60] * 8)
    assert delay.delay_ms == 80
    late(delay, *[160] * 8, at_s=2)
    assert delay.delay_ms == 180
    quiet_ns = 2 * SECOND + KEPT_NS + 1
    delay.review(2 * SECOND + LOWER_AFTER_NS + 1)
    assert delay.delay_ms == 180, "what was late is still remembered"
    delay.review(quiet_ns)
    assert delay.delay_ms == 0
    assert told_ms(delay) == (0, 40_950), "browsers keep what they were told last"


def test_an_element_joins_a_block_or_makes_one():
    delay = PlayoutDelay()
    late(delay, *[100] * 8)
    level = build_block([(CANONICAL[AUDIO_LEVEL], b"\x05")])
    for block in (b"", level):
        made = with_element(block, delay.element)
        assert len(made) == 4 + 4 * int.from_bytes(made[2:4], "big")
        reader = ExtensionMap({CANONICAL[PLAYOUT_DELAY]: 7})
        assert reader.read(made, 0, len(made))[4:] == bytes((7 << 4 | 2,)) + delay.element[1:]

"""When a sender is asked for a key frame."""

from media.rtp.key_requests import INTERVAL_NS, MAX_UNANSWERED, KeyRequests


def test_nobody_wishes_nobody_asks():
    assert not KeyRequests().take(0)


def test_a_storm_of_wishes_is_one_request_a_second():
    keys = KeyRequests()
    asked = []
    for now in range(0, 3 * INTERVAL_NS, INTERVAL_NS // 50):
        keys.wish()
        if keys.take(now):
            asked.append(now)
    assert asked == [0, INTERVAL_NS, 2 * INTERVAL_NS]
    assert (keys.asked, keys.wished) == (3, 150)


def test_a_wish_that_came_too_early_waits_for_its_turn():
    keys = KeyRequests()
    keys.wish()
    assert keys.take(0)
    keys.came()
    keys.wish()
    assert not keys.take(INTERVAL_NS - 1)
    assert keys.is_wished
    assert keys.take(INTERVAL_NS)


def test_a_key_frame_fulfils_the_wish():
    keys = KeyRequests()
    keys.wish()
    keys.came()
    assert not keys.is_wished
    assert not keys.take(0)


def test_a_request_without_answer_is_repeated_but_not_for_ever():
    keys = KeyRequests()
    keys.wish()
    asked = sum(keys.take(now * INTERVAL_NS) for now in range(100))
    assert asked == MAX_UNANSWERED
    keys.wish()
    assert keys.take(100 * INTERVAL_NS)

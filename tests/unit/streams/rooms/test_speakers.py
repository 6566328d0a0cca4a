"""Who speaks and who is heard, in simulated time."""

import random

from streams.rooms.speakers import Speakers

MS = 1_000_000
QUIET, SPEECH, LOUD = 75, 35, 20


class Hall:
    """Microphones that tell a level every 20 ms, and a look every 125."""

    def __init__(self, *ids: str) -> None:
        self.speakers = Speakers()
        self.ids = ids
        self.now_ns = 10**12
        self.hearings = []

    def pass_s(self, seconds: float, loudest: int = 3, **levels: int | None) -> None:
        for step in range(round(seconds * 50)):
            self.now_ns += 20 * MS
            for seat_id in self.ids:
                level = levels.get(seat_id, QUIET)
                if level is not None:
                    self.speakers.hear(seat_id, level, self.now_ns)
            if step % 6 == 5:
                self.hearings.append(self.speakers.pick(self.ids, loudest, self.now_ns))

    @property
    def last(self):
        return self.hearings[-1]


def test_nobody_speaks_in_a_quiet_hall() -> None:
    hall = Hall("a", "b")
    hall.pass_s(3)
    assert hall.last.active is None


def test_a_speaker_is_found_within_a_quarter_of_a_second() -> None:
    hall = Hall("a", "b")
    hall.pass_s(1)
    hall.pass_s(0.26, a=SPEECH)
    assert hall.last.active == "a"


def test_a_knock_on_the_table_takes_the_word_from_nobody() -> None:
    hall = Hall("a", "b")
    hall.pass_s(2, a=SPEECH)
    hall.pass_s(0.06, a=SPEECH, b=5)
    hall.pass_s(0.5, a=SPEECH)
    assert {hearing.active for hearing in hall.hearings[2:]} == {"a"}


def test_a_clearly_louder_one_takes_over_and_an_equal_one_does_not() -> None:
    hall = Hall("a", "b")
    hall.pass_s(2, a=SPEECH)
    hall.pass_s(3, a=SPEECH, b=SPEECH - 3)
    assert hall.last.active == "a"
    hall.pass_s(1, a=SPEECH, b=SPEECH - 12)
    assert hall.last.active == "b"


def test_the_next_one_has_the_word_when_the_last_is_silent() -> None:
    hall = Hall("a", "b")
    hall.pass_s(2, a=LOUD)
    hall.pass_s(0.4, b=SPEECH)
    assert hall.last.active == "a", "a breath is no end"
    hall.pass_s(2, b=SPEECH)
    assert hall.last.active == "b"


def test_who_spoke_last_stays_active_in_silence_and_not_once_muted() -> None:
    hall = Hall("a", "b")
    hall.pass_s(2, a=SPEECH)
    hall.pass_s(5)
    assert hall.last.active == "a"
    assert hall.speakers.pick(("b",), 3, hall.now_ns).active is None


def test_without_levels_a_voice_falls_silent() -> None:
    hall = Hall("a", "b")
    hall.pass_s(1, a=SPEECH)
    assert hall.last.levels["a"] > 40
    hall.pass_s(3, a=None, b=None)
    assert hall.last.levels == {}


def test_all_are_heard_while_they_are_few() -> None:
    hall = Hall("a", "b", "c", "d")
    hall.pass_s(1, d=SPEECH)
    assert hall.last.ranking == ("a", "b", "c", "d")


def test_of_many_the_loudest_are_heard_one_more_than_each_hears() -> None:
    ids = [f"p{number}" for number in range(12)]
    hall = Hall(*ids)
    hall.pass_s(2, p9=SPEECH, p10=LOUD, p11=SPEECH, p3=SPEECH)
    assert set(hall.last.ranking) == {"p9", "p10", "p11", "p3"}
    hall.pass_s(2, p9=SPEECH, p10=LOUD, p11=SPEECH, p5=LOUD - 5)
    assert "p5" in hall.last.ranking[:3]
    assert "p3" not in hall.last.ranking


def test_equal_voices_do_not_flutter() -> None:
    ids = [f"p{number}" for number in range(8)]
    hall = Hall(*ids)
    rng = random.Random(5)
    hall.pass_s(2, **dict.fromkeys(ids, SPEECH))
    first = hall.last.ranking
    for _ in range(100):
        hall.pass_s(0.12, **{seat_id: SPEECH + rng.randint(-2, 2) for seat_id in ids})
    assert {hearing.ranking for hearing in hall.hearings[-100:]} == {first}


def test_silence_challenges_nobody() -> None:
    ids = [f"p{number}" for number in range(8)]
    hall = Hall(*ids)
    hall.pass_s(1, p1=LOUD, p2=LOUD, p3=LOUD, p4=LOUD)
    before = hall.last.ranking
    hall.pass_s(5, **(dict.fromkeys(ids, 127) | {"p7": 90}))
    assert hall.last.ranking == before


def test_who_is_muted_is_not_heard_from_that_moment() -> None:
    ids = [f"p{number}" for number in range(8)]
    hall = Hall(*ids)
    hall.pass_s(1, p1=LOUD, p2=LOUD, p3=LOUD, p4=LOUD)
    rest = tuple(seat_id for seat_id in ids if seat_id != "p1")
    hearing = hall.speakers.pick(rest, 3, hall.now_ns)
    assert "p1" not in hearing.ranking
    assert "p1" not in hearing.levels
    assert len(hearing.ranking) == 4


def test_a_microphone_without_levels_comes_before_the_silent() -> None:
    ids = ("a", "b", "c", "d", "e", "mute-box")
    hall = Hall(*ids)
    hall.ids = ids[:5]
    hall.pass_s(1)
    hearing = Speakers().pick(ids, 3, hall.now_ns)
    assert len(hearing.ranking) == 4
    assert "mute-box" in hall.speakers.pick(ids[1:], 3, hall.now_ns).ranking


def test_levels_out_of_bounds_are_taken_as_the_bound() -> None:
    speakers = Speakers()
    speakers.hear("a", 4000, 10**12)
    speakers.hear("a", -4000, 10**12 + 20 * MS)
    assert speakers.pick(("a",), 3, 10**12 + 20 * MS).ranking == ("a",)


def test_time_that_stands_still_breaks_nothing() -> None:
    speakers = Speakers()
    for _ in range(3):
        speakers.hear("a", 20, 10**12)
    assert speakers.pick(("a",), 3, 10**12).ranking == ("a",)

"""What a publisher is told."""

from media.rtp import rtcp
from media.rtp.nack import GIVE_UP_NS
from streams.webrtc.publish_feedback import NUMBERS_PER_NACK, FeedbackWriter
from tests.unit.streams.webrtc.publisher import (
    CAMERA,
    MS,
    SCREEN,
    SECOND,
    Encoder,
    Rig,
    lines_of,
    nacked,
    offer_of,
    video_line,
)

TEXT = offer_of(video_line("0", rids=("q", "h")), video_line("1"))
NAMES = {"0": CAMERA, "1": SCREEN}


def rig_of(text: str = TEXT) -> Rig:
    return Rig(*lines_of(text, NAMES))


def requests(compounds: list[bytes]) -> list[object]:
    """Return what follows the report of each compound."""
    found = []
    for compound in compounds:
        first, *rest = rtcp.parse_compound(compound)
        assert isinstance(first, rtcp.ReceiverReport)
        found += rest
    return found


def test_holes_of_each_source_are_asked_for_and_filled_holes_are_not():
    rig = rig_of()
    encoders = Encoder(10, "0", "h"), Encoder(30, "1")
    for encoder in encoders:
        packets = encoder.picture(0, 6, is_key=True)
        for at in (0, 3, 5):
            rig.take(packets[at], SECOND)
    assert rig.gaps == 4
    assert rig.feedback.is_missing
    assert [n for c in rig.feedback.repairs(SECOND + 10 * MS) for n in nacked(c)] == [
        (10, (1001, 1002, 1004)),
        (30, (1001, 1002, 1004)),
    ]
    for encoder in encoders:
        for sequence in (1001, 1002, 1004):
            rig.take(encoder.repeat(sequence), SECOND + 100 * MS)
    assert not rig.feedback.is_missing
    assert rig.feedback.repairs(2 * SECOND) == []


def test_what_never_comes_becomes_the_wish_for_a_key_frame_of_a_watched_layer():
    rig = rig_of()
    layers = Encoder(10, "0", "q"), Encoder(20, "0", "h")
    for encoder in layers:
        packets = encoder.picture(0, 3, is_key=True)
        rig.take(packets[0], SECOND)
        rig.take(packets[2], SECOND)
    rig.publication.get(CAMERA).watch("h")
    for now in range(0, GIVE_UP_NS, 10 * MS):
        rig.feedback.repairs(SECOND + now)
    assert rig.key_wishes == 0
    rig.feedback.repairs(SECOND + GIVE_UP_NS)
    assert rig.key_wishes == 1
    (wish,) = requests(rig.feedback.key_requests(SECOND + GIVE_UP_NS))
    assert isinstance(wish, rtcp.PictureLoss)
    assert wish.media_ssrc == 20


def test_wishes_of_many_viewers_are_one_request_a_second_per_layer():
    rig = rig_of()
    rig.take(Encoder(30, "1").picture(0, 1, is_key=True)[0], SECOND)
    track = rig.publication.get(SCREEN)
    asked = []
    for now in range(SECOND, 3 * SECOND, 20 * MS):
        track.origin.request_key(SCREEN, "")
        asked += requests(rig.feedback.key_requests(now))
    assert [wish.media_ssrc for wish in asked] == [30, 30]


def test_a_layer_that_rests_is_asked_when_it_flows_again():
    rig = rig_of()
    encoder = Encoder(30, "1")
    rig.take(encoder.picture(0, 1, is_key=True)[0], SECOND)
    rig.publication.get(SCREEN).origin.request_key(SCREEN, "")
    assert rig.feedback.key_requests(60 * SECOND) == []
    rig.take(encoder.picture(9000, 1)[0], 61 * SECOND)
    assert len(rig.feedback.key_requests(61 * SECOND)) == 1


def test_who_knows_only_fir_is_asked_with_fir_and_who_knows_neither_is_not():
    for kinds, expected in ((("nack pli",), [rtcp.FullIntraRequest]), (("nack pli", "ccm fir"), [])):
        text = TEXT
        for kind in kinds:
            text = text.replace(f"a=rtcp-fb:96 {kind}\r\n", "").replace(f"a=rtcp-fb:102 {kind}\r\n", "")
        rig = rig_of(text)
        rig.take(Encoder(30, "1").picture(0, 1, is_key=True)[0], SECOND)
        rig.publication.get(SCREEN).origin.request_key(SCREEN, "")
        assert [type(wish) for wish in requests(rig.feedback.key_requests(SECOND))] == expected


def test_who_does_not_repeat_is_not_asked_to():
    text = TEXT.replace("a=rtcp-fb:96 nack\r\n", "").replace("a=rtcp-fb:102 nack\r\n", "")
    rig = rig_of(text)
    packets = Encoder(30, "1").picture(0, 3, is_key=True)
    rig.take(packets[0], SECOND)
    rig.take(packets[2], SECOND)
    assert rig.feedback.repairs(SECOND + 10 * MS) == []


def test_reports_name_every_layer_that_has_begun():
    rig = rig_of()
    assert rig.feedback.reports(SECOND) == []
    rig.take(Encoder(10, "0", "q").picture(0, 1, is_key=True)[0], SECOND)
    rig.take(Encoder(30, "1").picture(0, 1, is_key=True)[0], SECOND)
    report, name = rtcp.parse_compound(rig.feedback.reports(SECOND)[0])
    assert [block.ssrc for block in report.reports] == [10, 30]
    assert name.chunks == ((1, ((rtcp.CNAME, b"us"),)),)


def test_many_holes_become_several_packets_that_fit_a_path():
    writer = FeedbackWriter(1, "us")
    packets = list(writer.nacks(9, list(range(0, 17 * 3 * NUMBERS_PER_NACK, 17))))
    assert len(packets) == 3
    assert max(map(len, packets)) < 1200
    first, second = (writer.key_request(9, has_pli=False) for _ in range(2))
    numbers = [rtcp.parse_compound(packet)[1].requests for packet in (first, second)]
    assert numbers == [((9, 1),), ((9, 2),)]

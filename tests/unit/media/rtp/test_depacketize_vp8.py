"""VP8 frames out of packets."""

from collections.abc import Iterable
from itertools import chain

import pytest

from media.codec import vp8
from media.packet import AccessUnit
from media.rtp.depacketize import make_depacketizer
from media.rtp.depacketize_video import MAX_UNIT_BYTES
from media.rtp.packetize import RtpWriter
from media.rtp.vp8_descriptor import build_descriptor
from tests.unit.media.codec.test_vp8 import KEY
from tests.unit.media.streams import feed, payload_packets

TICKS = 3000


def frame_of(number: int, *, is_key: bool, size: int = 3000) -> bytes:
    head = KEY if is_key else b"\x31\0\0"
    return head + bytes([number]) * (size - len(head))


def payloads_of(frame: bytes, picture_id: int, limit: int = 1000) -> list[bytes]:
    return [
        build_descriptor(is_start=at == 0, picture_id=picture_id) + frame[at : at + limit]
        for at in range(0, len(frame), limit)
    ]


def stream(count: int, gop: int = 5) -> tuple[list[bytes], list[list[bytes]]]:
    frames = [frame_of(n, is_key=n % gop == 0) for n in range(count)]
    writer = RtpWriter(7, 96, 65_530)
    return frames, [writer.packets(payloads_of(frame, n), n * TICKS) for n, frame in enumerate(frames)]


def received(packets: Iterable[bytes]) -> tuple[list[AccessUnit], object]:
    depacketizer = make_depacketizer(3, vp8.vp8_params())
    return feed(depacketizer, packets), depacketizer.stats


def test_frames_come_back_as_they_were():
    frames, packets = stream(12)
    units, stats = received(chain(*packets))
    assert [unit.data for unit in units] == frames
    assert [unit.pts for unit in units] == [n * TICKS for n in range(12)]
    assert [unit.is_key for unit in units] == [n % 5 == 0 for n in range(12)]
    assert all((unit.track, unit.params.width, unit.params.height) == (3, 640, 360) for unit in units)
    assert stats.lost == stats.dropped_units == 0


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_frame_that_lacks_a_packet_is_dropped_and_the_next_is_whole(at):
    frames, packets = stream(4)
    del packets[1][at]
    units, stats = received(chain(*packets))
    assert [unit.data for unit in units] == [frames[0], frames[2], frames[3]]
    assert units[1].lost_packets == 1
    assert stats.dropped_units == 1


def test_a_frame_that_is_lost_whole_harms_no_other():
    frames, packets = stream(4)
    units, _ = received(packets[0] + packets[2] + packets[3])
    assert [unit.data for unit in units] == [frames[0], frames[2], frames[3]]


def test_nothing_comes_before_the_first_key_frame():
    frames, packets = stream(7)
    units, stats = received(chain(*packets[2:]))
    assert [unit.data for unit in units] == frames[5:]
    assert stats.withheld_units == 3


def test_a_frame_without_marker_ends_with_the_next_timestamp():
    first, second = (
        payload_packets(payloads_of(frame_of(0, is_key=True), 0), marker=False),
        payload_packets(payloads_of(frame_of(1, is_key=False), 1), ts=TICKS, first_seq=3),
    )
    units, _ = received(first + second)
    assert [unit.pts for unit in units] == [0, TICKS]


def test_another_size_makes_other_parameters():
    small = KEY[:6] + bytes([0x40, 0x01, 0xB4, 0x00]) + b"x" * 50
    packets = payload_packets(payloads_of(frame_of(0, is_key=True), 0)) + payload_packets(
        payloads_of(small, 1), ts=TICKS, first_seq=3
    )
    units, _ = received(packets)
    assert [(unit.params.width, unit.params.height) for unit in units] == [(640, 360), (320, 180)]


def test_broken_headers_and_endless_frames_are_counted():
    broken = payload_packets([build_descriptor(is_start=True) + KEY[:5] + b"?" * 9])
    cut = payload_packets([b"\x80\x80"], ts=TICKS, first_seq=1)
    empty = payload_packets([b""], ts=2 * TICKS, first_seq=2)
    units, stats = received(broken + cut + empty)
    assert units == []
    assert stats.malformed == 2
    assert stats.dropped_units == 2
    depacketizer = make_depacketizer(0, vp8.vp8_params())
    piece = build_descriptor(is_start=False) + b"z" * 60_000
    endless = [build_descriptor(is_start=True) + KEY, *[piece] * (MAX_UNIT_BYTES // 60_000 + 3)]
    assert feed(depacketizer, payload_packets(endless)) == []
    assert depacketizer.stats.malformed > 0
    assert depacketizer.stats.dropped_units == 1

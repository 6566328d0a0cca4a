import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.base.errors import RemoteProtocolError
from streams.fanout import Packet
from streams.relay.frames import (
    HEAD,
    MAX_BODY_BYTES,
    ClockReading,
    FrameReader,
    FrameType,
    build,
    build_clock,
    build_json,
    build_packet,
    parse_clock,
    parse_json,
    parse_packet,
)

PACKETS = st.builds(
    Packet,
    st.binary(max_size=1500),
    st.integers(-(2**62), 2**62),
    st.sampled_from([0, 0x80]),
    st.binary(max_size=64),
)


@given(st.lists(PACKETS, max_size=5), st.integers(1, 50))
def test_packets_come_out_as_they_went_in_however_they_are_cut(packets: list[Packet], step: int) -> None:
    wire = b"".join(build_packet(7, 9, seq, each, is_key=seq % 2 == 0) for seq, each in enumerate(packets))
    reader = FrameReader()
    frames = [frame for at in range(0, len(wire), step) for frame in reader.feed(wire[at : at + step])]
    relayed = [parse_packet(frame.body) for frame in frames]
    assert [each.packet for each in relayed] == packets
    assert [(each.stream, each.layer, each.seq, each.is_key) for each in relayed] == [
        (7, 9, seq, seq % 2 == 0) for seq in range(len(packets))
    ]


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_waited_for(data: bytes) -> None:
    try:
        for frame in FrameReader().feed(data):
            for parse in (parse_packet, parse_clock, parse_json):
                try:
                    parse(frame.body)
                except RemoteProtocolError:
                    continue
    except RemoteProtocolError:
        return


def test_a_frame_too_long_is_refused_before_it_is_kept() -> None:
    with pytest.raises(RemoteProtocolError):
        list(FrameReader().feed(HEAD.pack(MAX_BODY_BYTES + 1, FrameType.OPEN)))


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        list(FrameReader().feed(HEAD.pack(0, 99)))


def test_json_is_an_object() -> None:
    (frame,) = FrameReader().feed(build_json(FrameType.OPEN, {"source": "camera/东门"}))
    assert parse_json(frame.body) == {"source": "camera/东门"}
    for body in (b"[1]", b"{", b"\xff", b"[" * 100_000):
        with pytest.raises(RemoteProtocolError):
            parse_json(body)


def test_a_clock_reading_comes_back() -> None:
    reading = ClockReading(3, 4, 2**40, 17)
    (frame,) = FrameReader().feed(build_clock(reading))
    assert parse_clock(frame.body) == reading
    with pytest.raises(RemoteProtocolError):
        parse_clock(frame.body + b"x")


def test_a_packet_cut_short_is_refused() -> None:
    (frame,) = FrameReader().feed(build_packet(1, 1, 1, Packet(b"", 0, 0, b"abcd"), is_key=False))
    with pytest.raises(RemoteProtocolError):
        parse_packet(frame.body[:-1])
    with pytest.raises(RemoteProtocolError):
        parse_packet(b"\0" * 5)


def test_an_empty_body_is_a_frame() -> None:
    assert [frame.type for frame in FrameReader().feed(build(FrameType.PING, b""))] == [FrameType.PING]

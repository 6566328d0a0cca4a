"""Audio frames out of RTP packets."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.codec import aac, g711, opus
from media.packet import AccessUnit, Codec, CodecParams
from media.rtp.depacketize import StreamOptions, make_depacketizer
from media.rtp.packetize import AudioPacketizer, RtpWriter
from tests.unit.media.codec.test_aac import adts
from tests.unit.media.streams import feed

AAC = aac.aac_params(aac.build_audio_specific_config(16000, 1))


def packets_of(params: CodecParams, frames: list[bytes], ticks: int, limit: int = 1200) -> list[bytes]:
    packetizer, writer = AudioPacketizer(params.codec, limit), RtpWriter(7, 97)
    packets = []
    for number, frame in enumerate(frames):
        unit = AccessUnit(1, params, number * ticks, number * ticks, True, frame, 0, 0)
        packets += writer.packets(packetizer.payloads(unit), unit.pts)
    return packets


def au_packet(payload: bytes, ts: int = 0, seq: int = 0) -> bytes:
    return RtpWriter(7, 97, seq).packets([payload], ts)[0]


@pytest.mark.parametrize("params", [g711.g711_params(Codec.PCMU), g711.g711_params(Codec.PCMA), opus.opus_params()])
def test_each_packet_of_g711_and_opus_is_a_unit(params):
    frames = [bytes([number]) * (100 + number) for number in range(20)]
    got = feed(make_depacketizer(1, params), packets_of(params, frames, 160))
    assert [(unit.pts, unit.dts, unit.data) for unit in got] == [(n * 160, n * 160, f) for n, f in enumerate(frames)]
    assert all(unit.track == 1 and unit.is_key and unit.params is params for unit in got)


@given(st.lists(st.binary(min_size=1, max_size=3000), min_size=1, max_size=10), st.integers(16, 1500))
def test_aac_frames_round_trip_whole_and_in_parts(frames, limit):
    frames = [b"\x21" + frame for frame in frames]
    got = feed(make_depacketizer(1, AAC), packets_of(AAC, frames, 1024, limit))
    assert [(unit.pts, unit.data) for unit in got] == [(n * 1024, f) for n, f in enumerate(frames)]


@given(
    st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=8),
    st.sampled_from([aac.AuHeaderLayout(), aac.AuHeaderLayout(size_length=6, index_length=2, index_delta_length=2)]),
)
def test_several_frames_in_a_packet_are_a_frame_apart(frames, layout):
    bits = "".join([f"{len(frame):0{layout.size_length}b}" + "0" * layout.index_length for frame in frames])
    padded = bits + "0" * (-len(bits) % 8)
    headers = len(bits).to_bytes(2, "big") + int(padded, 2).to_bytes(len(padded) // 8, "big")
    params = replace(AAC, clock_rate_hz=90_000)
    depacketizer = make_depacketizer(1, params, au_headers=layout)
    frames = [b"\x00" + frame[1:] for frame in frames]
    got = feed(depacketizer, [au_packet(headers + b"".join(frames))])
    assert [(unit.pts, unit.data) for unit in got] == [(n * 5760, f) for n, f in enumerate(frames)]


def test_adts_headers_inside_rtp_are_stripped():
    frames = [b"abc", b"defg"]
    bare = feed(make_depacketizer(1, AAC), [au_packet(b"".join(map(adts, frames)))])
    assert [unit.data for unit in bare] == frames
    wrapped = feed(make_depacketizer(1, AAC), packets_of(AAC, [adts(frame) for frame in frames], 1024))
    assert [unit.data for unit in wrapped] == frames


def test_a_lost_part_costs_its_frame_only():
    frames = [bytes([65 + number]) * 3000 for number in range(3)]
    packets = packets_of(AAC, frames, 1024, 1004)
    del packets[4]
    depacketizer = make_depacketizer(1, AAC)
    got = feed(depacketizer, packets)
    assert [(unit.pts, unit.data, unit.lost_packets) for unit in got] == [(0, frames[0], 0), (2048, frames[2], 1)]
    assert depacketizer.stats.dropped_units == 1


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\0",
        b"\0\x08\xff",
        b"\0\x10",
        b"\0\x20\0\x18\0\x18abc",
        b"\xff\xff" + bytes(1000),
        b"\0\x0fzz",
        b"\0\0abc",
    ],
)
def test_malformed_aac_payloads_give_nothing(payload):
    depacketizer = make_depacketizer(1, AAC)
    assert feed(depacketizer, [au_packet(payload)]) == []


def test_without_configuration_a_frame_is_taken_for_1024_samples():
    params = replace(AAC, config=b"")
    got = feed(make_depacketizer(1, params), [au_packet(b"\0\x20\0\x10\0\x10" + b"abcd")])
    assert [(unit.pts, unit.data) for unit in got] == [(0, b"ab"), (1024, b"cd")]


def test_the_wrap_of_8_khz_and_loss_are_handled_as_for_video():
    params = g711.g711_params(Codec.PCMA)
    packets = [au_packet(b"x" * 160, (2**32 - 320 + n * 160) % 2**32, (65534 + n) % 65536) for n in range(6)]
    del packets[3]
    depacketizer = make_depacketizer(1, params, StreamOptions(payload_type=97))
    got = feed(depacketizer, packets)
    assert [unit.pts for unit in got] == [0, 160, 320, 640, 800]
    assert [unit.lost_packets for unit in got] == [0, 0, 0, 1, 0]
    assert depacketizer.stats.highest_sequence == 65534 + 5


def test_malformed_packets_are_counted():
    depacketizer = make_depacketizer(1, AAC)
    assert depacketizer.push(b"\x80\x00", 0, 2, 0, 0) is None
    assert depacketizer.push(b"", 0, 0, 0, 0) is None
    assert depacketizer.stats.malformed == 2

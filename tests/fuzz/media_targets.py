"""One function per parser of `media`: feeds it any bytes and fails when it is not total.

Used by the Hypothesis tests beside it and by the Atheris targets. Total means: a value or RemoteProtocolError, in
linear time, within the bounds the parser promises.
"""

from contextlib import suppress

from media.base.errors import LocalProtocolError, RemoteProtocolError
from media.codec import aac, g711, h264, h265, nal, opus, vp8
from media.packet import AccessUnit, Codec, CodecParams
from media.rtp import key_frames, packet, rtcp, rtx, twcc, vp8_descriptor
from media.rtp.depacketize import make_depacketizer
from media.rtp.depacketize_video import MAX_UNIT_BYTES
from media.rtp.extension_map import ExtensionMap
from media.rtp.reorder import ReorderBuffer
from tests.unit.media import captures

EMPTY = {codec: CodecParams(codec=codec, clock_rate_hz=90_000) for codec in (Codec.H264, Codec.H265)}
KNOWN = {
    Codec.H264: h264.codec_params(captures.H264[0].nals),
    Codec.H265: h265.codec_params(captures.H265_PLAIN.nals),
    Codec.AAC: aac.aac_params(aac.build_audio_specific_config(16000, 1)),
    Codec.PCMA: g711.g711_params(Codec.PCMA),
    Codec.OPUS: opus.opus_params(),
    Codec.VP8: vp8.vp8_params(),
}


def rtp_packet(data: bytes) -> None:
    start, end = packet.payload_bounds(data, 0, len(data))
    assert (start, end) == (-1, -1) or 12 <= start <= end <= len(data)
    try:
        parsed = packet.parse_packet(data)
    except RemoteProtocolError:
        assert start == -1
        return
    assert parsed.payload == data[start:end]
    elements = packet.parse_extension(parsed.extension_profile, parsed.extension)
    assert sum(map(len, elements.values())) <= len(parsed.extension)
    again = packet.parse_packet(parsed.to_bytes())
    assert again == parsed


def rtcp_compound(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        packets = rtcp.parse_compound(data)
        assert 0 < len(packets) <= rtcp.MAX_PACKETS
        rtcp.build_compound(packets)
        for one in packets:
            if isinstance(one, rtcp.TransportFeedback):
                with suppress(RemoteProtocolError):
                    assert len(twcc.parse_arrivals(one.body).arrivals_us) <= 0xFFFF


def video_payload(data: bytes) -> None:
    """Any payload of a browser's video: marks, sets, sizes, descriptors, retransmissions."""
    for codec, mark in key_frames.MARKS.items():
        assert mark(data) in (key_frames.NO_KEY, key_frames.KEY_PICTURE, key_frames.KEY_SETS)
        sets = key_frames.parameter_sets(codec, data) if codec is not Codec.VP8 else []
        assert len(sets) <= 16
        assert all(len(nal) <= len(data) for nal in sets)
    size = key_frames.vp8_size(data)
    assert size is None or (0 < size[0] <= 16_383 and 0 < size[1] <= 16_383)
    end = vp8_descriptor.descriptor_end(data, 0, len(data))
    assert -1 <= end <= len(data)
    try:
        assert vp8_descriptor.parse_descriptor(data).size_bytes == end
    except RemoteProtocolError:
        assert end == -1
    with suppress(RemoteProtocolError):
        vp8.parse_frame_header(data)
    assert -1 <= rtx.original_sequence(data, 0, len(data)) <= 0xFFFF


def extension_block(data: bytes) -> None:
    """A header extension as a packet of any length carries it."""
    reader = ExtensionMap({number: number % 15 for number in range(1, 256)}, transport=3, level=1)
    block = data.ljust(4, b"\0")
    kept = reader.read(block, 0, len(block))
    assert len(kept) % 4 == 0
    assert len(kept) <= len(block) * 2 + 8
    if kept:
        elements = packet.parse_extension(kept[0] << 8 | kept[1], kept[4:])
        assert set(elements) <= set(range(1, 15))


def h264_sets(data: bytes) -> None:
    for parse in (h264.parse_sps, h264.parse_pps, h264.set_key):
        with suppress(RemoteProtocolError):
            parse(data)
    params = h264.codec_params([data, *captures.H264[0].nals])
    assert 0 < params.width <= h264.MAX_SIDE_PIXELS
    h264.avcc(params)
    assert isinstance(h264.is_b_slice(data), bool)


def h265_sets(data: bytes) -> None:
    for parse in (h265.parse_sps, h265.parse_pps, h265.parse_vps, h265.set_key):
        with suppress(RemoteProtocolError):
            parse(data)
    params = h265.codec_params([data, *captures.H265_PLAIN.nals])
    assert 0 < params.width <= h264.MAX_SIDE_PIXELS
    h265.hvcc(params)


def nal_framing(data: bytes) -> None:
    assert sum(map(len, nal.split_annexb(data))) <= len(data)
    assert len(nal.remove_emulation_prevention(data)) <= len(data)
    with suppress(RemoteProtocolError):
        assert sum(map(len, nal.split_length_prefixed(data))) <= len(data)


def audio_config(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        assert aac.aac_params(data).clock_rate_hz > 0
    frames = aac.strip_adts(data)
    assert frames is None or sum(map(len, frames)) < len(data)
    aac.config_of_adts(data)
    assert 0 <= opus.duration_ticks(data) <= opus.MAX_PACKET_TICKS
    with suppress(LocalProtocolError, RemoteProtocolError):
        h264.avcc(CodecParams(codec=Codec.H264, clock_rate_hz=90_000, parameter_sets=(data or b"\0",)))


def check_unit(unit: AccessUnit, params: CodecParams) -> None:
    assert unit.params.codec is params.codec
    assert len(unit.data) <= MAX_UNIT_BYTES
    assert unit.params.is_complete
    if unit.params.codec is Codec.VP8:
        assert unit.params.width > 0
    if unit.params.codec in EMPTY:
        assert nal.split_length_prefixed(unit.data)


def depacketize(params: CodecParams, packets: list[bytes], *, through_window: bool = False) -> None:
    """Feed `packets` as they are; every one must be accounted for and every unit well-formed."""
    depacketizer = make_depacketizer(0, params)
    window = ReorderBuffer(window=8)
    if through_window:
        packets = [one for at, data in enumerate(packets) for one in window.push(data, at)]
    for at, data in enumerate(packets):
        before = depacketizer.stats
        done = depacketizer.push(memoryview(b"\x80" + data + b"\x80"), 1, 1 + len(data), at * 1_000_000, at)
        for unit in done if isinstance(done, list) else [done] if done else []:
            check_unit(unit, params)
        after = depacketizer.stats
        counted = [(s.received, s.late, s.strays, s.malformed, s.resets) for s in (before, after)]
        assert counted[0] != counted[1]
        assert len(getattr(depacketizer, "_unit", b"")) <= MAX_UNIT_BYTES + 70_000


def depacketize_bytes(params: CodecParams, data: bytes) -> None:
    """Cut `data` into packets at two-byte lengths, as a fuzzer without structure needs it."""
    packets = []
    pos = 0
    while pos + 2 <= len(data) and len(packets) < 64:
        size = (data[pos] << 8 | data[pos + 1]) & 0x07FF
        packets.append(data[pos + 2 : pos + 2 + size])
        pos += 2 + size
    depacketize(params, packets)

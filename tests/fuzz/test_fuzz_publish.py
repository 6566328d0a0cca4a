"""Whatever somebody publishes: payloads, extensions, offers, packets of every kind. Nothing may crash, hang or grow."""

import re

from hypothesis import given
from hypothesis import strategies as st

from media.base.errors import HubError, RemoteProtocolError
from media.codec import vp8
from media.packet import Codec
from media.rtp.arrivals import ArrivalRecorder
from media.rtp.nack import MAX_MISSING, NackTracker, RoundTrip
from media.rtp.packet import RtpPacket
from media.rtp.packetize import RtpWriter
from media.rtp.twcc import parse_arrivals
from media.rtp.vp8_descriptor import build_descriptor
from streams.publication import TrackName
from streams.webrtc.answer_publish import MAX_LAYERS, MAX_TRACKS, choose_published, write_published
from streams.webrtc.demux import MAX_SOURCES
from streams.webrtc.offer import MAX_SECTIONS, parse_offer
from tests.fuzz import media_targets as targets
from tests.fuzz.mutate import mutated
from tests.fuzz.test_fuzz_depacketize import HEADS
from tests.unit.media.codec.test_vp8 import KEY
from tests.unit.streams.webrtc.publisher import (
    CAMERA,
    MICROPHONE,
    OPUS,
    SCREEN,
    SECOND,
    Encoder,
    Rig,
    audio_line,
    lines_of,
    offer_of,
    video_line,
)
from tests.unit.streams.webrtc.test_answer import TRANSPORT

NAMES = {"0": CAMERA, "1": SCREEN, "2": MICROPHONE}
EXTRA = "a=ssrc-group:FID 11 12\r\na=ssrc:11 cname:x\r\na=ssrc:12 cname:x\r\na=msid:s t\r\n"
OFFER = offer_of(video_line("0", rids=("q", "h", "f")), video_line("1", extra=EXTRA), audio_line("2"))
LINES = lines_of(OFFER, NAMES)


def encoders_of() -> list[Encoder]:
    voice = Encoder(40, "2", payload_type=OPUS)
    return [
        Encoder(10, "0", "q"),
        Encoder(20, "0", "h"),
        Encoder(30, "1"),
        voice,
        Encoder(50, "0", "zz"),
        Encoder(60, "9"),
    ]


@given(st.one_of(st.binary(max_size=60), st.tuples(HEADS, st.binary(max_size=60)).map(b"".join)))
def test_any_payload(data):
    targets.video_payload(data)


@given(
    mutated(
        st.builds(
            lambda n, start: build_descriptor(is_start=start, picture_id=n, tl0=n & 255) + KEY,
            st.integers(0, 9),
            st.booleans(),
        )
    )
)
def test_mutated_vp8_payloads(data):
    targets.video_payload(data)


@given(
    st.lists(
        st.tuples(mutated(st.sampled_from([build_descriptor(is_start=True) + KEY + b"z" * 30, build_descriptor(is_start=False) + b"zz"])),
                  st.booleans(), st.integers(0, 1), st.sampled_from([1, 1, 1, 0, 2, -1])),
        max_size=30,
    )
)  # fmt: skip
def test_streams_of_mutated_vp8(parts):
    writer, packets = RtpWriter(7, 96, 65_530), []
    timestamp = 0
    for payload, has_marker, ticks, step in parts:
        timestamp += ticks * 3000
        packets += writer.packets([payload] * step if step > 0 else [payload], timestamp, has_marker=has_marker)[
            : max(step, 0) or 1
        ]
    targets.depacketize(vp8.vp8_params(), packets)
    assert targets.KNOWN[Codec.VP8].codec is Codec.VP8


@given(st.binary(max_size=80), st.sampled_from([b"\xbe\xde", b"\x10\x00", b"\x10\x0f", b""]))
def test_any_extension_block(data, profile):
    targets.extension_block(profile + data)


@given(mutated(st.just(OFFER.encode())), st.dictionaries(st.sampled_from("0129"), st.sampled_from(list(TrackName))))
def test_mutated_offers_are_refused_or_answered_cleanly(data, names):
    refusal = ""
    try:
        offer = parse_offer(data.decode("utf-8", "replace"))
        accepted = choose_published(offer, names)
    except HubError as error:
        refusal = error.code
    if refusal:
        assert refusal in ("bad_sdp", "codec_unsupported", "too_many_tracks")
        return
    assert len(offer.sections) <= MAX_SECTIONS
    assert len(accepted) <= MAX_TRACKS
    assert all(len(line.rids) <= MAX_LAYERS for line in accepted)
    for line in accepted:
        line.extension_map()
    written = write_published(offer, accepted, TRANSPORT).removesuffix("\r\n").split("\r\n")
    assert all(re.fullmatch(r"[a-z]=\S.*", line) for line in written), written
    assert sum(line.startswith("m=") for line in written) == len(offer.sections)


PACKETS = st.tuples(
    st.integers(0, 5),
    st.tuples(HEADS, st.binary(max_size=40)).map(b"".join),
    st.integers(0, 1 << 33),
    st.none() | st.integers(0, 3),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=3),
)
"""Encoder, payload, timestamp, which of the last packets is repeated instead, bytes that are changed."""


def sent(parts: list[tuple[int, bytes, int, int | None, list[tuple[int, int]]]]) -> list[bytes]:
    """Return what six encoders make of it; the last two belong to no line."""
    encoders = encoders_of()
    datagrams = []
    for which, payload, ticks, back, changes in parts:
        encoder = encoders[which]
        made: RtpPacket | None = encoder.packet(payload, ticks)
        if back is not None:
            made = encoder.repeat((made.sequence - back) & 0xFFFF) or made
        data = bytearray(made.to_bytes())
        for at, value in changes:
            data[at % len(data)] = value
        datagrams.append(bytes(data))
    return datagrams


@given(st.lists(PACKETS, max_size=60), st.lists(st.binary(min_size=12, max_size=60), max_size=10))
def test_any_stream_of_packets_is_bounded(parts, garbage):
    rig = Rig(*LINES)
    now = SECOND
    for data in sent(parts) + garbage:
        now += 5_000_000
        rig.take(data, now)
        rig.feedback.repairs(now)
    for compound in (*rig.feedback.arrivals(now), *rig.feedback.reports(now), *rig.feedback.key_requests(now)):
        assert len(compound) < 1400
    assert len(rig.publication.tracks) <= len(LINES)
    assert len(rig.ingress._demux.routes) <= MAX_SOURCES
    for track in rig.ingress.tracks.values():
        track.review(now)
        track.stats(now)


@given(st.lists(st.binary(min_size=8, max_size=60), max_size=5))
def test_any_rtcp_changes_no_more_than_clocks(compounds):
    rig = Rig(*LINES)
    camera = Encoder(10, "0", "q")
    rig.take(camera.picture(0, 1, is_key=True)[0], SECOND)
    for plain in (*compounds, camera.report(1, 5)):
        try:
            rig.ingress.control(plain, SECOND)
        except RemoteProtocolError:
            continue
    assert len(rig.ingress.layers()) == 1


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 10**9)), max_size=60))
def test_any_transport_numbers_make_reports_that_can_be_read(arrivals):
    recorder = ArrivalRecorder()
    now = 0
    for sequence, passed in arrivals:
        now += passed
        recorder.note(sequence, now)
    for body in recorder.reports(now):
        assert any(arrival is not None for arrival in parse_arrivals(body).arrivals_us)
        assert len(body) < 1200


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 3000), st.booleans()), max_size=40))
def test_any_losses_are_bounded(steps):
    tracker, now = NackTracker(RoundTrip()), 0
    for number, until, is_repair in steps:
        now += 30_000_000
        tracker.skipped(number, until, now)
        tracker.arrived(number, now, is_repair=is_repair)
        assert len(tracker.due(now)) <= MAX_MISSING
        assert len(tracker) <= MAX_MISSING

"""The hub reader: packetises once, joins runs, keeps the group, never raises."""

import asyncio
from dataclasses import replace

from media.codec import opus
from media.packet import AccessUnit, Codec, CodecParams, EndReason, Kind
from streams.webrtc.feed import Feed
from tests.unit.streams.webrtc.plane import H264, PCMA, pictures_of, plane

H264_BARE = replace(H264, parameter_sets=())


async def test_the_first_viewer_starts_from_the_hubs_group():
    async with plane() as p:
        p.begin()
        p.picture(is_key=True)
        p.picture()
        viewer = p.join()  # the feed is made only now
        await p.settle()
        assert pictures_of(viewer.read()) == p.sent_pictures


async def test_a_huge_group_is_primed_in_slices_and_in_order():
    async with plane() as p:
        p.begin()
        p.picture(is_key=True, size=300_000)
        for _ in range(20):
            p.picture(size=100_000)
        feed = p.feed
        assert feed._inbox, "the whole group was packetised in one go"
        p.picture()
        for _ in range(12):  # 2.3 MB in slices of 256 KiB
            await asyncio.sleep(0)
        assert not feed._inbox
        history = feed.tracks[Kind.VIDEO].history
        stamps = [history.get(seq).timestamp for seq in range(history.first_seq, history.next_seq)]
        assert stamps == sorted(stamps)
        assert stamps[-1] == 21 * 3600


async def test_malformed_units_are_counted_and_the_reader_stays():
    async with plane() as p:
        p.begin()
        feed = p.feed
        p.stream.publish(AccessUnit(0, H264, 0, 0, True, b"\x00\x00\xff\xff\x65", 1, 1))
        p.stream.publish(AccessUnit(7, H264, 0, 0, True, b"\x00\x00\x00\x01\x65", 1, 1))
        assert feed.counters.malformed_units == 1
        assert p.stream.reader_count == 1


async def test_an_empty_key_unit_is_nothing_to_start_from():
    async with plane() as p:
        p.begin()
        p.picture(is_key=True)
        history = p.feed.tracks[Kind.VIDEO].history
        p.stream.publish(AccessUnit(0, H264_BARE, 3600, 3600, True, b"", 1, 1))
        assert history.group_seq == 0


async def test_aac_is_left_out_and_the_picture_plays():
    async with plane() as p:
        aac = CodecParams(codec=Codec.AAC, clock_rate_hz=16_000)
        p.begin(H264, aac)
        p.sound(0, b"\x21" * 200, aac)
        assert set(p.feed.tracks) == {Kind.VIDEO}
        assert set(p.feed.all_params) == {Kind.VIDEO, Kind.AUDIO}


async def test_oversized_opus_is_dropped_and_long_g711_is_split():
    async with plane() as p:
        p.begin(H264, PCMA)
        audio = p.feed.tracks[Kind.AUDIO]
        p.sound(0, bytes(4000))
        assert audio.history.next_seq == 13
        assert [audio.history.get(n).timestamp for n in (0, 1, 12)] == [0, 320, 3840]
        voice = opus.opus_params(2)
        p.begin(H264, voice)
        p.sound(0, bytes(1300), voice)
        p.sound(960, bytes(1200), voice)
        assert p.feed.tracks[Kind.AUDIO].history.next_seq == 1
        assert p.feed.counters.oversized_units == 1


async def test_a_track_goes_on_over_runs_while_its_codec_does():
    async with plane() as p:
        p.begin(H264, PCMA)
        feed = p.feed
        video, audio = feed.tracks[Kind.VIDEO], feed.tracks[Kind.AUDIO]
        p.stream.end(EndReason.DISCONNECTED)
        p.begin(replace(H264, parameter_sets=(b"\x67\x64", b"\x68")), PCMA)
        assert feed.tracks == {Kind.VIDEO: video, Kind.AUDIO: audio}
        p.begin(CodecParams(codec=Codec.H265, clock_rate_hz=90_000))
        assert feed.tracks[Kind.VIDEO] is not video
        assert feed.tracks[Kind.AUDIO] is audio
        h265 = feed.tracks[Kind.VIDEO]
        p.begin(CodecParams(codec=Codec.VP8, clock_rate_hz=90_000))
        assert feed.tracks[Kind.VIDEO] is h265
        assert set(feed.all_params) == {Kind.VIDEO}


async def test_a_feed_of_one_kind_makes_no_packets_of_the_other_and_goes_on_with_a_track_fed_before():
    async with plane() as p:
        p.begin(H264, PCMA)
        feed = Feed(p.stream, p.pump, kinds=frozenset({Kind.AUDIO}))
        p.picture(is_key=True)
        p.sound(0)
        track = feed.tracks[Kind.AUDIO]
        assert set(feed.tracks) == {Kind.AUDIO}
        assert track.history.next_seq == 1
        feed.close()
        p.sound(160)
        again = Feed(p.stream, p.pump, kinds=frozenset({Kind.AUDIO}), tracks={Kind.AUDIO: track})
        p.sound(320)
        assert again.tracks == {Kind.AUDIO: track}
        assert track.history.next_seq == 2  # sound that was cached is past
        assert track.last_timestamp > 0


async def test_closing_detaches():
    async with plane() as p:
        p.begin()
        p.picture(is_key=True)
        p.feed.close()
        assert p.stream.reader_count == 0

"""What a slot shows: whatever comes into it, to the viewer it is one stream."""

import socket
from dataclasses import dataclass
from itertools import pairwise

import pytest

from media.base.errors import HubError
from media.base.ids import SourceId
from media.packet import Codec, CodecParams, Kind
from media.rtp import rtcp
from streams.fanout import PEOPLE, Packet
from streams.publication import Layer, Publication, TrackName
from streams.webrtc import extensions
from streams.webrtc.batch import PeerAddress
from streams.webrtc.layers import Wish
from streams.webrtc.outlet import OutletState, SourceTrack
from tests.unit.streams.webrtc.plane import H264, PCMA, Plane, assert_seamless, pictures_of, plane
from tests.unit.streams.webrtc.subscribers import OFFER, Page, publish, subscribe

VP8 = CodecParams(codec=Codec.VP8, clock_rate_hz=90_000)
H265 = CodecParams(codec=Codec.H265, clock_rate_hz=90_000)
OPUS = CodecParams(codec=Codec.OPUS, clock_rate_hz=48_000)
SIZES = {"q": (320, 180), "f": (1280, 720)}


def person(p: Plane, params: CodecParams = VP8) -> SourceTrack:
    track = SourceTrack(params, PEOPLE)
    track.pump = p.pump
    return track


def put(track: SourceTrack, seq: int, *, is_key: bool = False, count: int = 2, extension: bytes = b"") -> None:
    """Add a picture of `count` packets that tell who they are."""
    for part in range(count):
        body = track.params.codec.value.encode() + seq.to_bytes(4, "big")
        marker = 0x80 if part == count - 1 else 0
        track.put(seq * count + part, Packet(body, seq * 3000, marker, extension), is_key=is_key and part == 0)


async def simulcast(p: Plane) -> tuple[Page, SourceTrack, SourceTrack, object]:
    page = await subscribe(p)
    low, high = person(p), person(p)
    track, wishes = publish({"q": low, "f": high}, TrackName.CAMERA, sizes=SIZES, source="participant/a")
    return page, low, high, (track, wishes)


async def test_cameras_shown_one_after_the_other_are_one_stream_that_begins_with_cached_groups():
    async with plane() as p, plane() as other:
        for each in (p, other):
            each.begin()
            each.picture(is_key=True)
            each.picture()
        page = await subscribe(p)
        slot = page.connection.slots["0"]
        one, _ = publish({"main": p.feed.tracks[Kind.VIDEO]})
        two, _ = publish({"main": other.feed.tracks[Kind.VIDEO]}, source="camera/door")
        expected = []
        for turn in range(6):
            track, camera = ((one, p), (two, other))[turn % 2]
            slot.show(track)
            camera.picture()
            p.pump.wake(camera.feed.tracks[Kind.VIDEO])
            await p.settle()
            await other.settle()
            expected += camera.sent_pictures
            assert slot.shown == (track, "main")
        packets = page.read()
        assert_seamless(packets)
        assert pictures_of(packets) == expected
        assert {packet.payload_type for packet in packets} == {102}
        slot.show(None)
        assert slot.shown == (None, None)
        assert (one.watched, two.watched) == (frozenset(), frozenset())
        assert page.layers == [("0", "main"), ("0", None)] * 6
        await page.connection.aclose()


async def test_another_codec_is_another_payload_type_of_the_same_stream():
    async with plane() as p:
        p.begin()
        p.picture(is_key=True)
        page = await subscribe(p)
        slot = page.connection.slots["0"]
        slot.show(publish({"main": p.feed.tracks[Kind.VIDEO]})[0])
        await p.settle()
        face = person(p)
        put(face, 1, is_key=True)
        slot.show(publish({"": face}, TrackName.CAMERA, source="participant/a")[0])
        await p.settle(face)
        packets = page.read()
        assert_seamless(packets)
        assert list(dict.fromkeys(packet.payload_type for packet in packets)) == [102, 96]
        await page.connection.aclose()


async def test_what_the_viewer_cannot_play_is_refused_and_what_is_shown_stays():
    async with plane() as p:
        page = await subscribe(p)
        slot = page.connection.slots["0"]
        shown, _ = publish({"": person(p)}, TrackName.CAMERA)
        slot.show(shown)
        hevc, _ = publish({"main": SourceTrack(H265)}, source="camera/new")
        assert not slot.can_show(hevc)
        with pytest.raises(HubError) as error:
            slot.show(hevc)
        assert (error.value.code, error.value.context["codec"]) == ("codec_unsupported", "h265")
        assert slot.shown[0] is shown
        sound, _ = publish({"": person(p, OPUS)}, TrackName.MICROPHONE)
        assert not slot.can_show(sound)
        assert page.connection.slots["1"].can_show(sound)
        mixed, _ = publish({"sub": SourceTrack(H264), "main": SourceTrack(H265)}, source="camera/mixed")
        slot.show(mixed)
        assert slot.shown == (mixed, "sub")
        await page.connection.aclose()


async def test_without_a_cached_group_a_key_frame_is_asked_for_until_it_comes():
    async with plane() as p:
        page, _, high, (track, wishes) = await simulcast(p)
        page.connection.slots["0"].show(track)
        put(high, 1)
        page.pass_time(1)
        assert wishes.keys == [("camera", "f")] * 2
        put(high, 2, is_key=True)
        await p.settle(high)
        page.pass_time(1)
        assert wishes.keys == [("camera", "f")] * 2
        assert len(page.read()) == 2
        await page.connection.aclose()


async def test_the_layer_follows_the_size_and_changes_on_a_key_frame_only():
    async with plane() as p:
        page, low, high, (track, wishes) = await simulcast(p)
        slot = page.connection.slots["0"]
        slot.show(track, Wish(320, 180))
        for seq in range(1, 4):
            put(low, seq, is_key=seq == 1)
            put(high, seq, is_key=seq == 1)
        await p.settle(low, high)
        slot.wish(Wish(1280, 720))
        assert track.watched == frozenset("qf")
        assert wishes.keys == [("camera", "q"), ("camera", "f")]
        for seq in range(4, 8):
            put(low, seq)
            await p.settle(low, high)
            put(high, seq, is_key=seq == 6)
            await p.settle(low, high)
        packets = page.read()
        assert_seamless(packets)
        seqs = [int.from_bytes(packet.payload[3:], "big") for packet in packets][::2]
        assert seqs == [1, 2, 3, 4, 5, 6, 6, 7]
        assert slot.shown[1] == "f"
        assert track.watched == frozenset("f")
        assert page.layers == [("0", "q"), ("0", "f")]
        slot.wish(Wish(is_paused=True))
        assert (slot.shown, track.watched) == ((track, None), frozenset())
        await page.connection.aclose()


async def test_a_wish_that_is_taken_back_before_the_key_frame_leaves_the_old_layer():
    async with plane() as p:
        page, low, high, (track, _) = await simulcast(p)
        slot = page.connection.slots["0"]
        slot.show(track, Wish(320, 180))
        put(low, 1, is_key=True)
        slot.wish(Wish(1280, 720))
        slot.wish(Wish(320, 180))
        assert (track.watched, high.waiting) == (frozenset("q"), [])
        put(high, 2, is_key=True)
        await p.settle(low, high)
        assert slot.shown[1] == "q"
        await page.connection.aclose()


async def test_a_viewer_that_loses_much_gets_a_lower_layer_and_keeps_its_sound():
    async with plane() as p:
        page, low, high, (track, _) = await simulcast(p)
        voice = person(p, OPUS)
        sound, _ = publish({"": voice}, TrackName.MICROPHONE, publication=track.publication)
        slot, ear = page.connection.slots["0"], page.connection.slots["1"]
        slot.show(track)
        ear.show(sound)
        put(high, 1, is_key=True)
        for ssrc in (slot.ssrc, ear.ssrc) * 2:
            block = rtcp.ReportBlock(ssrc=ssrc, fraction_lost=60)
            page.say(rtcp.ReceiverReport(ssrc=1, reports=(block,)))
        page.pass_time(1)
        put(low, 1, is_key=True)
        await p.settle(low, high)
        assert slot.shown[1] == "q"
        assert ear.shown == (sound, "")
        assert voice.live
        await page.connection.aclose()


async def test_a_layer_that_stops_flowing_is_left_for_one_that_flows_and_returned_to():
    async with plane() as p:
        page, low, high, (track, _) = await simulcast(p)
        slot = page.connection.slots["0"]
        slot.show(track)
        put(high, 1, is_key=True)
        track.layer("f").is_flowing = False
        page.pass_time(1)
        assert track.watched == frozenset("qf")
        put(low, 1, is_key=True)
        await p.settle(low, high)
        assert slot.shown[1] == "q"
        page.pass_time(1)
        assert track.watched == frozenset("qf")  # it is still wanted
        track.layer("f").is_flowing = True
        put(high, 9, is_key=True)
        await p.settle(low, high)
        assert slot.shown[1] == "f"
        await page.connection.aclose()


async def test_a_key_request_is_passed_on_when_the_cached_group_is_dear_and_served_when_it_is_not():
    async with plane() as p:
        page, _, high, (track, wishes) = await simulcast(p)
        slot = page.connection.slots["0"]
        slot.show(track)
        wishes.keys.clear()
        put(high, 1, is_key=True)
        await p.settle(high)
        page.say(rtcp.PictureLoss(1, slot.ssrc), rtcp.PictureLoss(1, slot.ssrc))
        await p.settle(high)
        assert (slot.counters.groups_resent, wishes.keys) == (1, [])
        page.engine.clock.advance(1.1)
        high.put(7, Packet(b"after a hole", 9000, 0x80), is_key=False)
        await p.settle(high)
        page.say(rtcp.PictureLoss(1, slot.ssrc))
        assert (slot.counters.groups_resent, wishes.keys) == (1, [("camera", "f")])
        assert len(page.read()) == 5
        await page.connection.aclose()


async def test_extensions_come_with_the_packets_when_they_were_offered_under_our_numbers():
    level = extensions.build_block([(1, b"\x10")])
    async with plane() as p:
        page = await subscribe(p, OFFER + f"a=extmap:1 {extensions.AUDIO_LEVEL}\r\n")
        voice = person(p, OPUS)
        page.connection.slots["1"].show(publish({"": voice}, TrackName.MICROPHONE)[0])
        put(voice, 1, count=1, extension=level)
        await p.settle(voice)
        (packet,) = page.read(page.connection.slots["1"].ssrc)
        assert packet.extension == level
        await page.connection.aclose()


async def test_a_namesake_takes_the_place_and_an_end_empties_it():
    async with plane() as p:
        page = await subscribe(p)
        slot, publication = page.connection.slots["0"], Publication(SourceId("participant/a"))
        before, _ = publish({"": person(p)}, TrackName.CAMERA, publication=publication)
        slot.show(before)
        publication.drop(TrackName.CAMERA)
        assert slot.shown == (before, "")  # it keeps its place
        after, _ = publish({"": person(p)}, TrackName.CAMERA, publication=publication)
        assert slot.shown == (after, "")
        assert (before.watched, after.watched) == (frozenset(), frozenset([""]))
        publication.end()
        assert slot.shown[1] is None
        assert after.watched == frozenset()
        await page.connection.aclose()


async def test_an_origin_that_changes_its_layers_while_it_is_asked_is_no_trouble():
    async with plane() as p:
        page = await subscribe(p)
        track, wishes = publish({"": person(p)}, TrackName.CAMERA)

        def demand_changed(_name: TrackName) -> None:
            if track.watched and track.layers[0].rid == "":
                track.layers = (Layer("new", person(p), is_flowing=True),)
                track.publication.changed()

        wishes.demand_changed = demand_changed
        page.connection.slots["0"].show(track)
        assert page.connection.slots["0"].shown == (track, "new")
        assert track.watched == frozenset({"new"})
        page.connection.slots["0"].show(None)
        assert track.watched == frozenset()
        await page.connection.aclose()


async def test_a_group_from_before_a_pause_is_not_shown():
    async with plane() as p:
        page, _, high, (track, wishes) = await simulcast(p)
        put(high, 1, is_key=True)
        high.timeline.stamp(3000, page.engine.clock.mono_ns())
        page.engine.clock.advance(6)
        page.connection.slots["0"].show(track)
        assert page.connection.slots["0"].outlet.state is OutletState.WAITING
        assert wishes.keys == [("camera", "f")]
        await page.connection.aclose()


async def test_what_is_put_in_before_the_path_is_secure_starts_with_it():
    async with plane() as p:
        p.begin(H264, PCMA)
        p.picture(is_key=True)
        page = await subscribe(p, is_secure=False)
        slot = page.connection.slots["0"]
        track, _ = publish({"main": p.feed.tracks[Kind.VIDEO]})
        slot.show(track)
        assert track.watched == frozenset({"main"})
        assert slot.outlet.state is OutletState.IDLE
        page.secure()
        await p.settle()
        assert pictures_of(page.read()) == p.sent_pictures
        first = page.sock
        page.peer.events.on_address(moved(page))
        p.picture()
        await p.settle()
        assert pictures_of(page.read()) == p.sent_pictures[1:]
        assert first is not page.sock
        await page.connection.aclose()


def moved(page: Page) -> PeerAddress:
    """Move the viewer to another socket and return its address."""
    page.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    page.sock.setblocking(False)
    page.sock.bind(("127.0.0.1", 0))
    page.plane.sockets.append(page.sock)
    return PeerAddress(*page.sock.getsockname())


@dataclass
class Straight:
    """A source's clock that was `shift` at a moment."""

    since_ns: int
    shift: int

    def at(self, mono_ns: int) -> int:
        return self.shift + (mono_ns - self.since_ns) * 90_000 // 1_000_000_000


async def test_time_goes_on_between_two_sources_as_it_did_in_truth():
    async with plane() as p:
        page = await subscribe(p)
        slot, clock = page.connection.slots["0"], page.engine.clock
        tracks = []
        for shift in (0, 77_000_000):
            track = person(p)
            tracks.append(track)
            track.timeline = Straight(clock.mono_ns(), shift)  # their clocks have nothing in common
        clock.advance(1)
        tracks[0].put(1, Packet(b"a", 90_000, 0x80), is_key=True)
        slot.show(publish({"": tracks[0]}, TrackName.CAMERA, source="participant/c")[0])
        await p.settle(*tracks)
        clock.advance(2)
        slot.show(publish({"": tracks[1]}, TrackName.CAMERA, source="participant/d")[0])
        clock.advance(1)
        tracks[1].put(1, Packet(b"b", 77_000_000 + 4 * 90_000, 0x80), is_key=True)
        await p.settle(*tracks)
        first, second = page.read()
        assert ((second.timestamp - first.timestamp) & 0xFFFFFFFF) == pytest.approx(3 * 90_000, abs=2)
        assert [b.seq - a.seq for a, b in pairwise((first, second))] == [1]
        await page.connection.aclose()

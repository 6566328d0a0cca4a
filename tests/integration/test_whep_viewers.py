"""Viewers that are foreign software (aiortc), watching a camera that is a file, over real ICE, DTLS and UDP."""

import asyncio
import os
import random
from dataclasses import replace
from itertools import pairwise

import pytest
import uvloop
from aiortc import rtcdtlstransport as dtls
from aiortc.mediastreams import MediaStreamError

from media.base.clock import SystemClock
from media.base.errors import ErrorKind, HubError
from media.packet import Codec, Kind
from streams.webrtc.batch import PeerAddress
from streams.webrtc.engine import host_addresses
from tests.integration.fixtures_webrtc import KEY, AiortcViewer, encode, scene, until, with_audio

pytestmark = pytest.mark.foreign


async def gone(viewer: AiortcViewer, within_s: float = 1.0) -> None:
    """Wait until the viewer has noticed the end."""
    await until(lambda: viewer.pc.connectionState in ("closed", "failed"), within_s)


async def shows_width(viewer: AiortcViewer, width: int) -> None:
    """Wait for pictures of `width`, after however many of the size before are still on their way."""
    async with asyncio.timeout(15):
        while (await viewer.frames(1))[0].width != width:
            pass
    assert {frame.width for frame in await viewer.frames(10)} == {width}


@pytest.mark.parametrize(("profile", "codec"), [("baseline", Codec.PCMA), ("main", Codec.OPUS), ("high", Codec.PCMU)])
async def test_every_h264_profile_plays_with_its_sound(profile, codec):
    clip = with_audio(encode(profile=profile), codec)
    async with scene(clip) as place:
        viewer = await AiortcViewer.watch(place.endpoint, "s1", audio=True)
        frames = await viewer.frames(30)
        assert {(frame.width, frame.height) for frame in frames} == {(320, 240)}
        stamps = [frame.pts for frame in frames]
        assert stamps == sorted(set(stamps))
        sound = await viewer.frames(20, Kind.AUDIO)
        assert max(int(abs(frame.to_ndarray()).max()) for frame in sound) > 500
        (stats,) = place.endpoint.sessions()
        assert (stats.state, stats.audio, stats.srtp_profile) == ("live", "passthrough", "AEAD_AES_128_GCM")
        assert stats.packets_sent > 30
        await viewer.pc.close()


def test_it_is_the_same_on_uvloop():
    async def watch() -> None:
        async with scene(encode()) as place:
            viewer = await AiortcViewer.watch(place.endpoint, "s1")
            assert len(await viewer.frames(20)) == 20
            await viewer.pc.close()

    uvloop.run(watch())


async def test_a_viewer_without_gcm_is_served_with_sha1(monkeypatch):
    monkeypatch.setattr(dtls, "SRTP_PROFILES", [dtls.SRTP_AES128_CM_SHA1_80])  # what the viewer offers
    async with scene(with_audio(encode(), Codec.PCMA)) as place:
        viewer = await AiortcViewer.watch(place.endpoint, "s1", audio=True)
        await viewer.frames(60)
        await viewer.frames(20, Kind.AUDIO)
        assert place.endpoint.sessions()[0].srtp_profile == "AES128_CM_SHA1_80"
        await viewer.pc.close()


async def test_a_viewer_that_insists_on_being_the_dtls_server_is_obeyed():
    async with scene(encode()) as place:
        viewer = await AiortcViewer.watch(place.endpoint, "s1", change=lambda sdp: sdp.replace("actpass", "passive"))
        assert "a=setup:active" in viewer.answer
        await viewer.frames(10)
        await viewer.pc.close()


async def test_without_configured_addresses_every_host_address_is_offered():
    async with scene(encode(), public_addresses=()) as place:
        viewer = await AiortcViewer.watch(place.endpoint, "s1")
        offered = [line.split()[4] for line in viewer.answer.splitlines() if line.startswith("a=candidate")]
        assert offered == list(host_addresses())
        assert offered[-1] == "127.0.0.1"
        await viewer.frames(10)
        await viewer.pc.close()


async def test_a_camera_that_is_removed_ends_its_sessions_and_can_be_added_again():
    async with scene(encode()) as place:
        viewer = await AiortcViewer.watch(place.endpoint, "s1")
        await viewer.frames(3)
        place.hub.drop(KEY)
        await until(lambda: place.ends, 3)
        assert place.ends[0][3] == "camera_removed"
        await gone(viewer)
        place.camera.stream, place.camera.frame = place.hub.stream(KEY), 0
        place.camera.begin()
        again = await AiortcViewer.watch(place.endpoint, "s2")
        await again.frames(10)
        await again.pc.close()


async def test_a_second_viewer_does_not_wait_for_the_next_key_picture():
    async with scene(encode(seconds=20, gop_s=20, kbps=300)) as place:
        first = await AiortcViewer.watch(place.endpoint, "s1")
        await first.frames(25)
        second = await AiortcViewer.watch(place.endpoint, "s2")
        await second.frames(40)
        assert place.camera.frame < len(place.camera.clip.pictures), "the next key picture has come"
        await asyncio.gather(first.pc.close(), second.pc.close())


async def test_scripted_loss_at_the_sending_door_is_repaired():
    async with scene(encode(kbps=2000)) as place:
        viewer = await AiortcViewer.watch(place.endpoint, "s1")
        await viewer.frames(10)
        batch, dice, dropped = place.endpoint.engine.port.batch, random.Random(7), 0
        nowhere, send = PeerAddress("127.0.0.1", 9), batch.send

        def lossy() -> bool:
            nonlocal dropped
            slot = 0
            for index in range(batch.used):
                mine = range(slot, slot := slot + batch.counts[index])
                lost = [each for each in mine if dice.random() < 0.05]
                for each in lost if len(lost) < len(mine) else ():
                    batch.lengths[each] = 0  # left out of its run
                if len(lost) == len(mine):
                    batch.names[index] = nowhere.pointer
                dropped += len(lost)
            return send()

        batch.send = lossy  # type: ignore[method-assign]
        frames = await viewer.frames(75)
        stamps = [frame.pts for frame in frames]
        assert dropped > 20
        assert {b - a for a, b in pairwise(stamps)} == {3600}, "a picture is missing"
        (stats,) = place.endpoint.sessions()
        assert stats.packets_resent >= dropped * 0.7
        await viewer.pc.close()


async def test_a_camera_that_reconnects_with_another_size_goes_on_in_the_same_session():
    async with scene(encode()) as place:
        viewer = await AiortcViewer.watch(place.endpoint, "s1")
        assert {frame.width for frame in await viewer.frames(10)} == {320}
        place.camera.end()
        await asyncio.sleep(0.3)
        place.camera.clip, place.camera.frame = encode("640x360"), 0
        place.camera.begin()
        await shows_width(viewer, 640)
        assert len(place.endpoint.sessions()) == 1
        await viewer.pc.close()


async def test_parameter_sets_that_change_in_mid_stream_are_forwarded_in_band():
    small, large = encode(), encode("640x360")
    async with scene(small) as place:
        viewer = await AiortcViewer.watch(place.endpoint, "s1")
        assert {frame.width for frame in await viewer.frames(10)} == {320}
        place.camera.clip, place.camera.frame = large, 0
        await shows_width(viewer, 640)
        await viewer.pc.close()


async def test_delete_and_revocation_take_effect_within_a_second_and_are_reported_once():
    async with scene(encode()) as place:
        one, two, three = [
            await AiortcViewer.watch(place.endpoint, f"s{n}", user="out" if n else "stays") for n in range(3)
        ]
        await asyncio.gather(*(viewer.frames(5) for viewer in (one, two, three)))
        assert await place.endpoint.delete("s0")
        assert not await place.endpoint.delete("s0")
        await gone(one)
        assert await place.endpoint.close_user("out") == 2
        await asyncio.gather(gone(two), gone(three))
        assert sorted(place.ends) == [
            ("s0", "stays", "gate", "deleted"),
            ("s1", "out", "gate", "revoked"),
            ("s2", "out", "gate", "revoked"),
        ]
        await until(lambda: place.hub.stream(KEY).reader_count == 0)
        with pytest.raises(MediaStreamError):
            await two.frames(1000)


async def test_a_viewer_that_says_goodbye_is_forgotten_at_once():
    async with scene(encode()) as place:
        viewer = await AiortcViewer.watch(place.endpoint, "s1")
        await viewer.frames(3)
        await viewer.pc.close()
        await until(lambda: not place.endpoint.sessions(), 2)
        assert [end[3] for end in place.ends] == ["dtls_closed"]


async def test_an_offer_nobody_follows_up_is_dropped(monkeypatch):
    monkeypatch.setattr("streams.webrtc.peer.CONNECT_TIMEOUT_S", 0.2)
    async with scene(encode()) as place:
        viewer = await AiortcViewer.watch(place.endpoint, "real")
        offer = viewer.pc.localDescription.sdp.replace("192.0.2.", "198.51.100.")
        await place.endpoint.create(offer, KEY, "ghost", "u")
        await until(lambda: ("ghost", "u", "gate", "connect_timeout") in place.ends, 2)
        await viewer.pc.close()


async def test_sessions_that_fall_silent_end_within_half_a_minute_of_their_clock():
    async with scene(encode()) as place:
        viewer = await AiortcViewer.watch(place.endpoint, "s1")
        await viewer.frames(3)
        place.endpoint.engine.port.receive = lambda *_: None  # the network is gone
        real = SystemClock().mono_ns
        place.endpoint._clock.mono_ns = lambda: real() + 26_000_000_000  # nothing heard for 26 s
        await until(lambda: place.ends, 3)
        assert place.ends[0][3] == "silent"
        await viewer.pc.close()


async def test_garbage_at_the_port_hurts_nobody():
    async with scene(encode()) as place:
        viewer = await AiortcViewer.watch(place.endpoint, "s1")
        await viewer.frames(3)
        loop, dice = asyncio.get_running_loop(), random.Random(3)
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=("127.0.0.1", place.endpoint.engine.udp_port)
        )
        heads = [b"", b"\0\1\0\0\x21\x12\xa4\x42", b"\x01\x01", b"\x16\xfe\xff", b"\x80\xc8", b"\x80\x60", b"\xff"]
        for _ in range(500):
            transport.sendto(dice.choice(heads) + dice.randbytes(dice.randrange(60)) + os.urandom(2))
        mine = place.endpoint._viewers["s1"].connection
        for _ in range(200):
            mine.on_media(b"\x80\xc8" + dice.randbytes(40))
            mine.peer._on_dtls(b"\x16\xfe\xfd" + dice.randbytes(40))
        assert len(await viewer.frames(30)) == 30
        (stats,) = place.endpoint.sessions()
        assert stats.ignored == 200
        counters = place.endpoint.engine.port.counters
        assert counters.unknown_address + counters.stun_malformed + counters.stun_unknown_user > 400
        transport.close()
        await viewer.pc.close()


async def test_what_cannot_be_watched_is_said_and_nothing_is_kept():
    async with scene(encode(), max_viewers=1) as place:
        viewer = await AiortcViewer.watch(place.endpoint, "s1")
        offer = viewer.pc.localDescription.sdp

        async def refused(session_id: str, sdp: str = offer, key=KEY) -> tuple[ErrorKind, str]:
            with pytest.raises(HubError) as error:
                await place.endpoint.create(sdp, key, session_id, "u")
            return error.value.kind, error.value.code

        assert await refused("s2") == (ErrorKind.EXHAUSTED, "too_many_viewers")
        assert await refused("s1") == (ErrorKind.CONFLICT, "session_exists")
        await place.endpoint.delete("s1")
        assert await refused("s2", "v=0\r\nnonsense") == (ErrorKind.INVALID, "bad_sdp")
        assert await refused("s2", key=replace(KEY, source="camera/none")) == (ErrorKind.UNAVAILABLE, "camera_offline")
        only_vp8 = "\r\n".join(line for line in offer.split("\r\n") if "H264" not in line)
        with pytest.raises(HubError) as error:
            await place.endpoint.create(only_vp8, KEY, "s2", "u")
        assert (error.value.code, error.value.context["codec"]) == ("codec_unsupported", "h264")
        place.camera.end()
        assert await refused("s2") == (ErrorKind.UNAVAILABLE, "camera_offline")
        assert place.endpoint.sessions() == ()
        await until(lambda: place.hub.stream(KEY).reader_count == 0)
        await viewer.pc.close()


async def test_twenty_viewers_at_once_all_see_pictures_and_leave_nothing_behind():
    async with scene(encode(kbps=300)) as place:
        viewers = await asyncio.gather(*(AiortcViewer.watch(place.endpoint, f"s{n}") for n in range(20)))
        frames = await asyncio.gather(*(viewer.frames(10) for viewer in viewers))
        assert all(len(seen) == 10 for seen in frames)
        await asyncio.gather(*(viewer.pc.close() for viewer in viewers))
        await until(lambda: not place.endpoint.sessions())
        port = place.endpoint.engine.port
        assert not port._by_fragment
        assert not port._by_address
        assert not port._locals
        assert not port._by_transaction
        await until(lambda: place.hub.stream(KEY).reader_count == 0)

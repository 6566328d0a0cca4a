"""What a wall watches: slots, rights, sources that come and go."""

import asyncio
from pathlib import Path

import pytest

from media.base.ids import SourceId
from streams.publication import Publication, TrackName
from streams.session.identity import Grant
from streams.webrtc.layers import Wish
from streams.webrtc.subscribing import EndCause
from tests.unit.streams.session.world import H265, Page, World, publication, published, settled, turns, wall, world

GATE = SourceId("camera/gate")
GRANT = Grant(GATE, "")


def camera(at: World, name: str = "gate") -> Publication:
    made = at.cameras.cameras[f"camera/{name}"] = publication(f"camera/{name}", TrackName.VIDEO, TrackName.AUDIO)
    return made


async def watch(page: Page, source: str = GATE, track: str = "video") -> dict[str, object]:
    return await page.ask("subscribe", source=source, track=track, grant=Grant(SourceId(source), ""))


async def test_a_granted_camera_is_put_into_a_free_slot_and_announced_after_the_answer(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        made = camera(at)
        page = await at.watcher()
        number = await page.send("subscribe", source=GATE, track="video", width=640, height=360, grant=GRANT)
        await page.wait_for(lambda m: m["type"] == "slot" and page.told.append(m) is None)
        kinds = [m["type"] for m in page.told]
        assert (await page.answer(number)) == {"type": "ok", "id": number, "mid": "0"}
        assert kinds.index("ok") < kinds.index("slot")
        assert await page.heard("slot") == {
            "type": "slot",
            "mid": "0",
            "kind": "video",
            "source": GATE,
            "track": "video",
        }
        slot = at.peers.subscribers[0].slots["0"]
        assert slot.track is made.get(TrackName.VIDEO)
        assert slot.wishes == [Wish(640, 360)]


async def test_without_a_right_nothing_is_opened(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        camera(at)
        page = await at.watcher()
        assert await page.code("subscribe", source=GATE, track="video") == "not_permitted"
        other = Grant(SourceId("camera/yard"), "")
        assert await page.code("subscribe", source=GATE, track="video", grant=other) == "not_permitted"
        assert at.cameras.opened == []


async def test_before_there_are_slots_one_cannot_subscribe(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        camera(at)
        page = await at.page(wall("s-1"))
        assert (await watch(page))["code"] == "not_connected"
        assert await page.code("candidate", connection="subscribe", candidate="a=x") == "not_connected"


async def test_no_slot_is_left_and_one_is_when_something_stops(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        for name in ("gate", "yard", "road"):
            camera(at, name)
        page = await at.watcher(offer="video video")
        assert [(await watch(page, f"camera/{name}"))["mid"] for name in ("gate", "yard")] == ["0", "1"]
        assert (await watch(page, "camera/road"))["code"] == "no_slot"
        assert (await watch(page, track="audio"))["code"] == "no_slot"
        assert await page.code("unsubscribe", source=GATE, track="video") == "ok"
        assert (await page.wait_for(lambda m: m["type"] == "slot" and m["source"] is None))["mid"] == "0"
        assert (await watch(page, "camera/road"))["mid"] == "0"


async def test_the_same_track_again_keeps_its_slot_and_takes_the_new_size(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        camera(at)
        page = await at.watcher()
        first = await watch(page)
        again = await page.ask("subscribe", source=GATE, track="video", width=1920, height=1080)
        assert (first["mid"], again["mid"]) == ("0", "0")
        assert await page.code("quality", source=GATE, track="video", width=320, height=180, paused=True) == "ok"
        assert at.peers.subscribers[0].slots["0"].wishes[-2:] == [Wish(1920, 1080), Wish(320, 180, True)]


async def test_quality_of_what_is_not_watched_is_wrong_and_unsubscribing_it_harmless(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page = await at.watcher()
        assert await page.code("quality", source=GATE, track="video", width=1, height=1) == "wrong_state"
        assert await page.code("unsubscribe", source=GATE, track="video") == "ok"


async def test_an_offline_camera_is_refused_and_its_slot_free_again(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        page = await at.watcher(offer="video")
        assert (await watch(page))["code"] == "source_offline"
        camera(at)
        assert (await watch(page))["mid"] == "0"


async def test_a_codec_the_browser_lacks_is_refused_and_nothing_stays(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        made = at.cameras.cameras[GATE] = Publication(GATE)
        made.put(published(TrackName.VIDEO, H265))
        page = await at.watcher(offer="video")
        assert (await watch(page))["code"] == "codec_unsupported"
        assert page.session.watching.count == 0
        assert page.session.grants.all() == ()


async def test_a_track_that_is_not_there_yet_is_shown_when_it_comes(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        made = at.cameras.cameras[GATE] = Publication(GATE)
        page = await at.watcher()
        await watch(page)
        slot = at.peers.subscribers[0].slots["0"]
        assert slot.track is None
        assert (await page.heard("source"))["state"] == "offline"
        made.put(published(TrackName.VIDEO))
        assert slot.track is made.get(TrackName.VIDEO)
        told = await page.heard("source")
        assert (told["state"], told["tracks"][0]["codec"]) == ("live", "h264")


async def test_a_camera_that_comes_back_as_another_publication_is_shown_again(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        first = camera(at)
        page = await at.watcher()
        await watch(page)
        second = camera(at)
        first.end()
        slot = at.peers.subscribers[0].slots["0"]
        await settled(lambda: slot.track is second.get(TrackName.VIDEO))
        states = [m["state"] for m in await page.all_of("source")]
        assert states[-1] == "live"


async def test_sixty_four_videos_of_one_account_whatever_the_windows(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        pages = [await at.page(wall(f"s-{n}")) for n in range(3)]
        for number, page in enumerate(pages):
            await page.ask("slots", sdp="video " * 30)
            for tile in range(30 if number < 2 else 4):
                at.clock.advance(0.1)
                camera(at, f"c{number}-{tile}")
                assert (await watch(page, f"camera/c{number}-{tile}"))["type"] == "ok"
        camera(at, "more")
        assert (await watch(pages[2], "camera/more"))["code"] == "too_many_subscriptions"
        await pages[0].ask("unsubscribe", source="camera/c0-0", track="video")
        assert (await watch(pages[2], "camera/more"))["type"] == "ok"


async def test_another_offer_on_the_same_connection_adds_slots(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        camera(at)
        page = await at.watcher(offer="video")
        await watch(page)
        assert (await page.ask("slots", sdp="video video audio"))["sdp"] == "answer to 3"
        assert len(at.peers.subscribers) == 1
        assert page.session.watching.count == 1
        assert (await page.ask("slots", sdp="audio audio"))["type"] == "slots"


async def test_slots_that_an_offer_ends_let_go_what_was_in_them(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        camera(at, "gate")
        camera(at, "yard")
        page = await at.watcher(offer="video video")
        await watch(page)
        await watch(page, "camera/yard")
        await page.ask("slots", sdp="video")
        assert page.session.watching.count == 1
        assert page.session.grants.all() == (GRANT,)


async def test_a_fresh_connection_forgets_what_was_watched_and_the_former_is_not_heard(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        camera(at)
        page = await at.watcher()
        await watch(page)
        await page.ask("slots", sdp="video", fresh=True)
        old, new = at.peers.subscribers
        assert old.ended.is_set()
        assert not new.ended.is_set()
        assert page.session.watching.count == 0
        assert [m["source"] for m in page.api] == [GATE]
        old.events.on_layer("0", "q")
        assert await page.all_of("connection_lost") == []
        assert (await watch(page))["type"] == "ok"


async def test_a_bad_offer_leaves_everything_as_it_was(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        camera(at)
        page = await at.watcher()
        await watch(page)
        assert await page.code("slots", sdp="bad", fresh=True) == "bad_sdp"
        assert await page.code("slots", sdp="bad") == "bad_sdp"
        assert page.session.watching.count == 1
        assert at.peers.subscribers[0].slots["0"].track is not None
        assert at.peers.subscribers[1].ended.is_set()


async def test_a_lost_connection_is_told_and_everything_let_go(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        camera(at)
        page = await at.watcher()
        await watch(page)
        at.peers.subscribers[0].finish(EndCause.SILENT)
        told = await page.heard("connection_lost")
        assert told == {"type": "connection_lost", "connection": "subscribe", "reason": "silent"}
        assert page.session.watching.count == 0
        assert (await watch(page))["code"] == "not_connected"
        await page.ask("slots", sdp="video")
        assert (await watch(page))["type"] == "ok"


async def test_what_the_peer_tells_reaches_the_page(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        camera(at)
        page = await at.watcher()
        await watch(page)
        events = at.peers.subscribers[0].events
        events.on_layer("0", "")
        assert await page.wait_for(lambda m: m["type"] == "layer" and m["width"]) == {
            "type": "layer",
            "mid": "0",
            "rid": "",
            "width": 320,
            "height": 180,
        }
        events.on_quality(2, None, 0.0512345)
        assert await page.heard("quality") == {
            "type": "quality",
            "connection": "subscribe",
            "level": 2,
            "rtt_ms": 0,
            "loss": 0.0512,
        }


async def test_a_right_that_is_withdrawn_ends_what_runs_and_says_so(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        camera(at)
        page = await at.watcher()
        await watch(page)
        await watch(page, track="audio")
        assert page.session.revoke(GATE) == 2
        assert at.peers.subscribers[0].slots["0"].track is None
        codes = {(m["track"], m["code"]) for m in await page.all_of("unsubscribed")}
        assert codes == {("video", "revoked"), ("audio", "revoked")}
        assert [m["reason"] for m in page.api] == ["revoked"]
        assert await page.code("subscribe", source=GATE, track="video") == "not_permitted"


async def test_a_subscription_taken_back_while_it_opens_ends_quietly(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        camera(at)
        at.cameras.hold = asyncio.Event()
        page = await at.watcher(offer="video")
        number = await page.send("subscribe", source=GATE, track="video", grant=GRANT)
        await turns()
        assert await page.code("unsubscribe", source=GATE, track="video") == "ok"
        at.cameras.hold.set()
        assert (await page.answer(number))["code"] == "wrong_state"
        assert page.session.watching.count == 0
        assert (await watch(page))["mid"] == "0"


async def test_a_slow_source_holds_up_nobody_else(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        camera(at)
        at.cameras.hold = asyncio.Event()
        page = await at.watcher()
        number = await page.send("subscribe", source=GATE, track="video", grant=GRANT)
        assert (await page.ask("ping", t=1))["type"] == "pong"
        at.cameras.hold.set()
        assert (await page.answer(number))["type"] == "ok"


async def test_bytes_are_counted_per_source_and_told_with_its_end(tmp_path: Path) -> None:
    async with world(tmp_path) as at:
        camera(at)
        page = await at.watcher()
        slots = at.peers.subscribers[0].slots
        slots["0"].sent_bytes = 500
        await watch(page)
        await watch(page, track="audio")
        slots["0"].sent_bytes, slots["2"].sent_bytes = 1500, 70
        page.session.revoke(GATE)
        await page.read()
        assert page.api == [{"type": "unsubscribed", "source": GATE, "reason": "revoked", "bytes_sent": 1070}]


@pytest.mark.parametrize("source", ["participant/p-1", "participant/p-9"])
async def test_people_cannot_be_watched_from_a_wall(tmp_path: Path, source: str) -> None:
    async with world(tmp_path) as at:
        await at.join("p-1")
        page = await at.watcher("s-wall")
        assert await page.code("subscribe", source=source, track="camera") == "not_permitted"

"""The shared state against real servers: the Valkey we ship and the Redis of the distribution."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing

import pytest

from api.state import CameraDesired, RecordingDesired, SlotInfo, State
from api.state.cameras import CHANGED, STATUS_CHANNEL
from api.state.messages import CONNECTED
from api.state.slots import place
from media.base.errors import ErrorKind, HubError
from media.base.tasks import Owner
from tests.integration.fixtures_state import KINDS, StateServer, state_server


@pytest.fixture(params=KINDS, scope="module")
def server(request: pytest.FixtureRequest):
    with state_server(request.param) as running:
        yield running


@pytest.fixture
async def state(server: StateServer) -> AsyncIterator[State]:
    opened = State.open(server.url)
    await opened.wait_until_up(5.0)
    await opened._redis.flushall()
    yield opened
    await opened.aclose()


GATE = CameraDesired(
    id="gate-3",
    source_url_enc="v1.sealed",
    sub_source_url_enc="v1.sub",
    recording=RecordingDesired(mode="schedule", retention_days=90, windows=((0, 480), (600, 1080))),
    org_id="village-1",
    version=7,
)


class TestCameras:
    async def test_unwritten_cameras_are_unknown_and_not_an_empty_county(self, state: State) -> None:
        assert await state.cameras() is None
        await state.put_camera(GATE)
        assert await state.cameras() is None
        await state.replace_cameras([])
        assert await state.cameras() == {}

    async def test_a_camera_comes_back_as_it_was_put(self, state: State) -> None:
        await state.replace_cameras([])
        await state.put_camera(GATE)
        assert await state.cameras() == {"gate-3": GATE}

    async def test_replace_forgets_what_is_not_listed(self, state: State) -> None:
        await state.replace_cameras([GATE, CameraDesired(id="b", source_url_enc="x")])
        await state.replace_cameras([GATE])
        assert list(await state.cameras() or ()) == ["gate-3"]

    async def test_removing_a_camera_forgets_its_state_and_place(self, state: State) -> None:
        await state.replace_cameras([GATE])
        await state.assign_camera("gate-3", "n/0")
        await state.put_statuses({"gate-3": {"state": "online", "slot": "n/0"}})
        await state.remove_camera("gate-3")
        assert await state.cameras() == {}
        assert await state.status("gate-3") is None
        assert await state.assignments() == {}

    async def test_garbage_written_by_others_is_left_out(self, state: State) -> None:
        await state.replace_cameras([GATE])
        await state._redis.hset("xy:cameras", "evil", "[1, 2")
        await state._redis.hset("xy:cameras", "list", "[]")
        assert list(await state.cameras() or ()) == ["gate-3"]

    async def test_fields_of_a_newer_version_are_ignored(self) -> None:
        text = GATE.to_json()[:-1] + ',"hologram":true}'
        assert CameraDesired.from_json(text) == GATE

    async def test_states_are_read_by_id_and_all_together(self, state: State) -> None:
        await state.put_statuses({"a": {"state": "online"}, "b": {"state": "offline"}})
        assert await state.statuses() == {"a": {"state": "online"}, "b": {"state": "offline"}}
        assert await state.statuses(["b", "c"]) == {"b": {"state": "offline"}}
        assert await state.statuses([]) == {}

    async def test_a_slot_forgets_only_its_own_word_about_a_camera(self, state: State) -> None:
        await state.put_statuses({"a": {"state": "online", "slot": "n/0"}, "b": {"state": "online", "slot": "n/1"}})
        await state.drop_statuses(["a", "b", "c"], "n/0")
        assert list(await state.statuses()) == ["b"]


class TestSlots:
    async def test_epochs_only_grow_even_when_the_store_forgot(self, state: State) -> None:
        first = await state.claim_slot("n/0", "here")
        second = await state.claim_slot("n/0", "here")
        assert second.epoch == first.epoch + 1
        await state._redis.flushall()
        assert (await state.claim_slot("n/0", "here", epoch_floor=41)).epoch == 42

    async def test_a_stranger_cannot_take_a_manned_slot(self, state: State) -> None:
        lease = await state.claim_slot("n/0", "here")
        with pytest.raises(HubError) as caught:
            await state.claim_slot("n/0", "elsewhere")
        assert caught.value.code == "slot_taken"
        await state.release_slot(lease)
        assert (await state.claim_slot("n/0", "elsewhere")).epoch > lease.epoch

    async def test_an_overtaken_lease_cannot_be_refreshed(self, state: State) -> None:
        old = await state.claim_slot("n/0", "here")
        new = await state.claim_slot("n/0", "here")
        assert await state.refresh_slot(new)
        assert not await state.refresh_slot(old)

    async def test_a_lease_survives_the_loss_of_the_store(self, state: State) -> None:
        lease = await state.claim_slot("n/0", "here", epoch_floor=8)
        await state._redis.flushall()
        assert await state.refresh_slot(lease)
        assert (await state.claim_slot("n/0", "here")).epoch == lease.epoch + 1

    async def test_a_slot_is_manned_while_its_lease_lives(self, state: State) -> None:
        info = SlotInfo(slot="n/0", node="n", number=0, workers=1, socket="/run/worker-0.sock")
        await state.register_slot(info)
        assert not (await state.slots())["n/0"].is_manned
        lease = await state.claim_slot("n/0", "here", ttl_s=0.05)
        assert (await state.slots())["n/0"].epoch == lease.epoch
        await asyncio.sleep(0.15)
        assert not (await state.slots())["n/0"].is_manned

    async def test_the_first_to_place_a_camera_wins(self, state: State) -> None:
        assert await state.assign_camera("a", "n/0")
        assert not await state.assign_camera("a", "n/1")
        assert await state.assign_camera("a", "m/0", instead_of="n/0")
        assert await state.assignments() == {"a": "m/0"}

    async def test_the_slot_of_a_camera_tells_where_its_worker_is(self, state: State) -> None:
        info = SlotInfo(slot="n/0", node="n", number=0, workers=1, socket="/run/worker-0.sock")
        await state.register_slot(info)
        await state.assign_camera("a", "n/0")
        assert await state.slot_of_camera("a") == info
        assert await state.slot_of_camera("b") is None

    def test_placing_is_the_same_for_everybody_and_even(self) -> None:
        slots = ["n/0", "n/1", "n/2"]
        placed = [place(f"camera-{n}", slots) for n in range(600)]
        assert placed == [place(f"camera-{n}", reversed(slots)) for n in range(600)]
        assert all(150 < placed.count(slot) < 250 for slot in slots)
        assert place("a", []) is None


class TestEvents:
    async def test_an_event_comes_once_and_again_until_it_is_acknowledged(self, state: State) -> None:
        await state.add_event("live.ended", {"session_id": "s1"})
        batch = await state.read_events("api", wait_s=0.1)
        assert [(event.kind, event.data) for event in batch.events] == [("live.ended", {"session_id": "s1"})]
        assert (await state.read_events("api", wait_s=0.01)).events == ()
        again = await state.read_events("api", is_unacknowledged=True)
        assert again == batch
        await state.ack_events(again.events)
        assert (await state.read_events("api", is_unacknowledged=True)).events == ()

    async def test_events_come_in_order_and_in_bounded_batches(self, state: State) -> None:
        for n in range(5):
            await state.add_event("n", {"n": n})
        first = await state.read_events("api", limit=3)
        second = await state.read_events("api", limit=3)
        assert [event.data["n"] for event in (*first.events, *second.events)] == [0, 1, 2, 3, 4]


class TestBuckets:
    async def test_a_burst_is_allowed_and_then_the_rate(self, state: State) -> None:
        taken = [await state.take_token("ip/1", rate_per_s=10, burst=3) for _ in range(4)]
        assert [one.is_allowed for one in taken] == [True, True, True, False]
        assert 0 < taken[-1].retry_after_s <= 0.1
        await asyncio.sleep(taken[-1].retry_after_s + 0.02)
        assert (await state.take_token("ip/1", rate_per_s=10, burst=3)).is_allowed

    async def test_buckets_do_not_know_each_other(self, state: State) -> None:
        assert (await state.take_token("a", rate_per_s=0.01, burst=1)).is_allowed
        assert not (await state.take_token("a", rate_per_s=0.01, burst=1)).is_allowed
        assert (await state.take_token("b", rate_per_s=0.01, burst=1)).is_allowed


class TestMessages:
    async def test_a_listener_hears_what_is_said_after_it_connected(self, state: State) -> None:
        async with aclosing(state.listen(CHANGED, STATUS_CHANNEL)) as messages:
            assert (await anext(messages)).channel == CONNECTED
            await state.put_camera(GATE)
            assert (await anext(messages)).data == {"id": "gate-3"}
            await state.put_statuses({"a": {"state": "online"}, "b": {"state": "offline"}}, ["b"])
            said = await anext(messages)
            assert said.data == {"id": "b", "status": {"state": "offline"}}


class TestCancellation:
    @pytest.mark.parametrize("delay_s", [0, 0.0005, 0.001, 0.002, 0.01, 0.2])
    async def test_a_cancelled_listener_ends_wherever_it_is(self, state: State, delay_s: float) -> None:
        async def listen() -> None:
            async for _ in state.listen(CHANGED):
                pass

        await self.cancelled(listen(), delay_s)

    @pytest.mark.parametrize("delay_s", [0, 0.0002, 0.0005])
    async def test_a_cancelled_call_is_cancelled(self, state: State, delay_s: float) -> None:
        async def call() -> None:
            while True:
                await state.status("a")

        await self.cancelled(call(), delay_s)

    async def cancelled(self, work: Coroutine[object, object, None], delay_s: float) -> None:
        async with Owner("test") as owner:
            task = owner.start(work, "work")
            await asyncio.sleep(delay_s)
            task.cancel()
            done, _ = await asyncio.wait({task}, timeout=3)
            assert done, "the cancellation was lost"

    async def test_a_clean_up_during_cancellation_is_carried_out(self, state: State) -> None:
        async def work() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                await state.put_statuses({"a": {"state": "offline"}})
                await state.put_statuses({"b": {"state": "offline"}})

        await self.cancelled(work(), 0.01)
        assert set(await state.statuses()) == {"a", "b"}


class TestOutage:
    async def test_without_a_server_calls_fail_at_once_with_a_kind(self) -> None:
        state = State.open("unix:///nonexistent/state.sock")
        for call in (state.ping(), state.cameras(), state.put_camera(GATE), state.read_events("api")):
            with pytest.raises(HubError) as caught:
                await call
            assert caught.value.kind is ErrorKind.UNAVAILABLE
            assert caught.value.code == "state_unavailable"
        await state.aclose()

    async def test_a_listener_and_a_client_survive_a_restart(self) -> None:
        with state_server() as server:
            state = State.open(server.url)
            await state.wait_until_up(5.0)
            async with aclosing(state.listen(CHANGED)) as messages:
                assert (await anext(messages)).channel == CONNECTED
                server.kill()
                server.start()
                assert (await anext(messages)).channel == CONNECTED
                await state.wait_until_up(5.0)
                await state.put_camera(GATE)
                assert (await anext(messages)).data == {"id": "gate-3"}
            await state.aclose()

    async def test_the_private_valkey_keeps_its_data_over_a_kill(self) -> None:
        with state_server() as server:
            state = State.open(server.url)
            await state.wait_until_up(5.0)
            await state.replace_cameras([GATE])
            await asyncio.sleep(1.1)  # appendfsync everysec
            server.kill()
            server.start()
            await state.wait_until_up(5.0)
            assert await state.cameras() == {"gate-3": GATE}
            await state.aclose()


class TestRooms:
    async def test_rooms_are_noted_one_by_one_and_made_good_together(self, state: State) -> None:
        await state.put_room_slot("r1", "node/0")
        await state.put_room_slot("r2", "node/1")
        assert await state.room_slots() == {"r1": "node/0", "r2": "node/1"}
        await state.replace_room_slots({"r2": "node/0", "r3": "node/1"})
        assert await state.room_slots() == {"r2": "node/0", "r3": "node/1"}
        await state.replace_room_slots({})
        assert await state.room_slots() == {}

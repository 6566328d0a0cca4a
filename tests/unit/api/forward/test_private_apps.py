"""Finding the worker of a camera, and reading its refusals."""

import httpx
import pytest

from api.auth.actor import SYSTEM
from api.forward.private_apps import UnixWorkers, ask_json, error_of, translated
from api.state import SlotInfo
from media.base.clock import SimulatedClock
from media.base.errors import ErrorKind, HubError
from tests.fakes.control import FakeState


class TwoSlots(FakeState):
    def __init__(self) -> None:
        super().__init__()
        self.manned = {"n/0": True, "n/1": True}
        self.asked = 0

    async def slots(self) -> dict[str, SlotInfo]:
        self.asked += 1
        self._up()
        return {
            slot: SlotInfo(
                slot=slot, node="n", number=int(slot[-1]), workers=2, socket=f"/run/{slot[-1]}", is_manned=manned
            )
            for slot, manned in self.manned.items()
        }

    async def slot_of_camera(self, camera_id: str) -> SlotInfo | None:
        self._up()
        return (await self.slots()).get({"a": "n/0", "b": "n/1"}.get(camera_id, ""))


async def test_a_camera_is_asked_of_its_worker_also_while_the_state_is_away() -> None:
    state = TwoSlots()
    workers = UnixWorkers(state, SimulatedClock())
    before = await workers.of_camera("b")
    state.is_down = True
    during = await workers.of_camera("b")
    assert (during.slot, during.client) == ("n/1", before.client)
    with pytest.raises(HubError) as caught:
        await workers.of_camera("a")
    assert caught.value.code == "worker_unavailable"
    await workers.aclose()


async def test_ones_own_slots_are_known_before_the_state_has_ever_answered() -> None:
    state = TwoSlots()
    state.is_down = True
    known = SlotInfo(slot="n/0", node="n", number=0, workers=1, socket="/run/0", is_manned=True)
    workers = UnixWorkers(state, SimulatedClock(), [known])
    assert (await workers.of_slot("n/0")).socket == "/run/0"
    assert [link.slot for link in await workers.all()] == ["n/0"]
    state.is_down = False
    assert [link.slot for link in await workers.all()] == ["n/0", "n/1"]
    await workers.aclose()


async def test_the_list_of_slots_is_believed_for_a_moment_but_an_unknown_slot_is_asked_for() -> None:
    state, clock = TwoSlots(), SimulatedClock()
    workers = UnixWorkers(state, clock)
    await workers.all()
    state.is_down = True
    assert (await workers.of_slot("n/0")).slot == "n/0"
    with pytest.raises(HubError):
        await workers.of_slot("n/7")
    state.is_down = False
    asked = state.asked
    await workers.of_slot("n/1")
    assert state.asked == asked
    clock.advance(0.6)
    await workers.of_slot("n/1")
    assert state.asked == asked + 1
    await workers.aclose()


async def test_work_without_a_camera_goes_to_a_manned_worker() -> None:
    state = TwoSlots()
    workers = UnixWorkers(state, SimulatedClock())
    state.manned["n/0"] = False
    assert (await workers.any()).slot == "n/1"
    state.manned["n/1"] = False
    with pytest.raises(HubError):
        await workers.any()
    assert (await workers.of_slot("n/1")).slot == "n/1"
    await workers.aclose()


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (409, '{"code":"several_codecs","spans":[1],"path":"/secret"}', ErrorKind.CONFLICT, "several_codecs"),
        (404, '{"code":"no_footage"}', ErrorKind.NOT_FOUND, "no_footage"),
        (500, "<html>", ErrorKind.UNAVAILABLE, "replay_unavailable"),
        (422, "[1]", ErrorKind.INVALID, "replay_unavailable"),
    ],
)
def test_a_refusal_keeps_its_code_and_only_known_context(status: int, body: str, kind: ErrorKind, code: str) -> None:
    error = error_of(httpx.Response(status, text=body), "replay")
    assert (error.kind, error.code) == (kind, code)
    assert "path" not in error.context


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (httpx.ConnectError("x"), ErrorKind.UNAVAILABLE),
        (httpx.ReadTimeout("x"), ErrorKind.TIMEOUT),
        (httpx.ReadError("x"), ErrorKind.UNAVAILABLE),
    ],
)
async def test_silence_is_a_kind_of_its_own(raised: Exception, kind: ErrorKind) -> None:
    async def fail() -> None:
        async with translated("worker"):
            raise raised

    with pytest.raises(HubError) as caught:
        await fail()
    assert (caught.value.kind, caught.value.code) == (kind, "worker_unavailable")


async def test_nonsense_from_a_private_app_is_unavailable() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, text="not json"))
    async with httpx.AsyncClient(transport=transport, base_url="http://replay") as client:
        with pytest.raises(HubError) as caught:
            await ask_json(client, "replay", "/storage", {}, SYSTEM)
    assert caught.value.code == "replay_unavailable"

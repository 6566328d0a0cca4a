"""The worker's seat over a real Valkey: shares, notes, outages."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from api.processes.home import prepare
from api.processes.notebook import Notebook
from api.processes.slot import Slot, SlotLostError
from api.settings import Settings, load_settings
from api.state import CameraDesired, State
from media.base.clock import SystemClock
from media.base.tasks import Owner
from tests.integration.fixtures_state import StateServer, state_server, until

A, B = (CameraDesired(id=name, source_url_enc=f"v1.{name}") for name in "ab")


@pytest.fixture
def server():
    with state_server() as running:
        yield running


def settings(tmp_path: Path, server: StateServer, **more: object) -> Settings:
    given = {"data_dir": tmp_path / "data", "redis_url": server.url, "node": "box", **more}
    return prepare(load_settings(given, {}, tmp_path))


class Applied:
    """Remembers what the slot handed out."""

    def __init__(self) -> None:
        self.last: dict[str, CameraDesired] | None = None

    async def __call__(self, cameras: Mapping[str, CameraDesired]) -> None:
        self.last = dict(cameras)

    async def wait_for(self, *cameras: CameraDesired, timeout_s: float = 5.0) -> None:
        await until(lambda: self.last == {camera.id: camera for camera in cameras}, timeout_s)


@asynccontextmanager
async def seated(wanted: Settings, number: int = 0) -> AsyncIterator[tuple[Slot, Applied, State]]:
    state = State.open(wanted.state_url)
    slot = Slot(wanted, number, state, SystemClock(), "here")
    await slot.enter()
    applied = Applied()
    async with Owner("test") as owner:
        owner.start(slot.run(applied), "slot")
        yield slot, applied, state
    await state.aclose()


async def test_cameras_come_and_go_as_they_are_desired(tmp_path: Path, server: StateServer) -> None:
    async with seated(settings(tmp_path, server)) as (_, applied, state):
        await applied.wait_for()
        await state.replace_cameras([A])
        await applied.wait_for(A)
        await state.put_camera(B)
        await applied.wait_for(A, B)
        await state.remove_camera("a")
        await applied.wait_for(B)


async def test_two_workers_share_the_cameras(tmp_path: Path, server: StateServer) -> None:
    wanted = settings(tmp_path, server, workers=2)
    cameras = [CameraDesired(id=f"c{n}", source_url_enc="x") for n in range(20)]
    async with seated(wanted, 0) as (_, first, state), seated(wanted, 1) as (_, second, _):
        await state.replace_cameras(cameras)
        await until(lambda: len(first.last or ()) + len(second.last or ()) == 20, 5.0)
        assert not set(first.last) & set(second.last)
        assert min(len(first.last), len(second.last)) >= 4


async def test_a_slot_taken_away_by_fewer_workers_gives_its_cameras_up(tmp_path: Path, server: StateServer) -> None:
    cameras = [CameraDesired(id=f"c{n}", source_url_enc="x") for n in range(8)]
    async with seated(settings(tmp_path, server, workers=2), 1) as (_, second, state):
        await state.replace_cameras(cameras)
        await until(lambda: second.last, 5.0)
    async with seated(settings(tmp_path, server, workers=1), 0) as (_, only, _):
        await only.wait_for(*cameras)


async def test_an_emptied_store_stops_nothing_and_is_caught_up_with(tmp_path: Path, server: StateServer) -> None:
    async with seated(settings(tmp_path, server)) as (slot, applied, state):
        await state.replace_cameras([A, B])
        await applied.wait_for(A, B)
        server.lose_everything()
        await asyncio.sleep(2.5)  # past a refresh of the lease
        assert set(applied.last) == {"a", "b"}
        assert slot.is_connected
        await state.replace_cameras([A])
        await applied.wait_for(A)


async def test_a_worker_started_without_the_store_has_its_last_cameras(tmp_path: Path, server: StateServer) -> None:
    wanted = settings(tmp_path, server)
    async with seated(wanted) as (slot, applied, state):
        await state.replace_cameras([A])
        await applied.wait_for(A)
        await until(lambda: Notebook(wanted.data_dir / "workers", 0).read().cameras == (A,), 2.0)
        before = slot.epoch
    server.kill()
    async with seated(wanted) as (slot, applied, _):
        await applied.wait_for(A)
        assert not slot.is_connected
        assert slot.epoch == before + 1
        server.start()
        await until(lambda: slot.is_connected, 6.0)
        assert applied.last == {"a": A}


async def test_a_stranger_in_the_slot_keeps_the_worker_out(tmp_path: Path, server: StateServer) -> None:
    wanted = settings(tmp_path, server)
    state = State.open(wanted.state_url)
    await state.wait_until_up(5)
    await state.claim_slot("box/0", "elsewhere")
    with pytest.raises(SlotLostError):
        await Slot(wanted, 0, state, SystemClock(), "here").enter()
    await state.aclose()


async def test_an_overtaken_worker_ends(tmp_path: Path, server: StateServer) -> None:
    wanted = settings(tmp_path, server)
    state = State.open(wanted.state_url)
    slot = Slot(wanted, 0, state, SystemClock(), "here")
    await slot.enter()
    await state.claim_slot("box/0", "here")
    with pytest.raises(SlotLostError):
        await asyncio.wait_for(slot.run(Applied()), 5)
    await state.aclose()


async def test_leaving_gives_the_lease_back(tmp_path: Path, server: StateServer) -> None:
    wanted = settings(tmp_path, server)
    async with seated(wanted) as (slot, applied, state):
        await state.replace_cameras([A])
        await applied.wait_for(A)
        assert (await state.slots())["box/0"].is_manned
        await slot.leave()
        assert not (await state.slots())["box/0"].is_manned


class TestNotebook:
    def test_notes_come_back(self, tmp_path: Path) -> None:
        book = Notebook(tmp_path, 0)
        assert book.read().epoch == 0
        book.write(7, [A, B])
        assert (book.read().epoch, book.read().cameras) == (7, (A, B))
        assert (tmp_path / "worker-0.json").stat().st_mode & 0o777 == 0o600

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"epoch": "x", "cameras": []}', '{"epoch": 1}', "\xff"])
    def test_broken_notes_are_no_notes(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "worker-0.json").write_bytes(text.encode("latin-1"))
        assert Notebook(tmp_path, 0).read().cameras == ()

from pathlib import Path

import pytest

from streams.relay import puller as puller_module
from tests.unit.streams.relay.two_workers import ALICE, HandOrigin, person, two_workers, until


async def test_a_link_nobody_needs_is_given_up_and_made_anew_when_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(puller_module, "IDLE_S", 0.1)
    monkeypatch.setattr("streams.plane.LINGER_S", 0.01)
    async with two_workers(tmp_path) as (holder, side, _):
        holder.plane.publish(person(HandOrigin()))
        remote = await side.plane.acquire(ALICE, "vm/0")
        side.plane.release(remote)
        await until(lambda: side.node.figures()["links"] == 0)
        again = await side.plane.acquire(ALICE, "vm/0")
        assert again is not remote
        assert not again.is_ended


async def test_a_link_that_breaks_is_made_again_while_it_is_needed(tmp_path: Path) -> None:
    async with two_workers(tmp_path) as (holder, side, _):
        holder.plane.publish(person(HandOrigin()))
        remote = await side.plane.acquire(ALICE, "vm/0")
        (puller,) = side.node._pullers.values()
        puller._link.abort()
        assert not any(track.is_live for track in remote.tracks)
        await until(lambda: all(track.is_live for track in remote.tracks))
        assert side.node.figures()["pulled"] == 1


async def test_a_link_that_is_lost_before_anybody_was_woken_is_waited_for_again(tmp_path: Path) -> None:
    async with two_workers(tmp_path) as (holder, side, _):
        holder.plane.publish(person(HandOrigin()))
        puller = side.node._puller("vm/0")
        lost = []

        def lose_first() -> None:
            link = puller._link
            if not lost and link is not None:
                lost.append(link)
                link.abort()

        opened = puller._opened

        def opened_and_lost(link: object) -> None:
            opened(link)  # type: ignore[arg-type]
            lose_first()

        puller._opened = opened_and_lost  # type: ignore[assignment]
        link = await puller.ready()
        assert lost
        assert link is not lost[0]

import asyncio
import gc

from api.auth.turns import Turns


async def test_one_key_is_held_by_one_in_order_and_another_key_waits_for_nobody() -> None:
    turns, seen = Turns(), []

    async def attempt(key: str, number: int) -> None:
        async with turns.of(key):
            seen.append((key, number))
            await asyncio.sleep(0)
            seen.append((key, -number))

    await asyncio.gather(*(attempt(key, number) for number in (1, 2, 3) for key in "ab"))
    for key in "ab":
        assert [number for name, number in seen if name == key] == [1, -1, 2, -2, 3, -3]
    assert seen[1] == ("b", 1)


async def test_keys_nobody_holds_are_forgotten() -> None:
    turns = Turns()
    for number in range(100):
        async with turns.of(str(number)):
            pass
    gc.collect()
    assert len(turns) == 0

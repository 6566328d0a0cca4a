"""Paced packets leave in order, at their time, and not after the end."""

import asyncio

from streams.simulator.pacer import Pacer


async def test_packets_leave_in_order_and_spread():
    pacer, sent, is_done = Pacer(), [], asyncio.Event()
    loop = asyncio.get_running_loop()
    began = loop.time()

    def send(data: bytes) -> None:
        sent.append((loop.time() - began, data))
        if len(sent) == 10:
            is_done.set()

    for number in range(10):
        pacer.add(began + number * 0.01, send, bytes([number]))
    await asyncio.wait_for(is_done.wait(), 5)
    assert [data[0] for _, data in sent] == list(range(10))
    assert all(at >= number * 0.01 - 0.003 for number, (at, _) in enumerate(sent))


async def test_nothing_leaves_after_close():
    pacer, sent = Pacer(), []
    pacer.add(pacer.now_s() + 0.004, sent.append, b"x")
    pacer.close()
    await asyncio.sleep(0.02)
    assert sent == []


async def test_it_starts_again_after_a_pause():
    pacer, sent = Pacer(), []
    for _ in range(2):
        pacer.add(pacer.now_s() + 0.001, sent.append, b"x")
        await asyncio.sleep(0.02)
    assert sent == [b"x", b"x"]

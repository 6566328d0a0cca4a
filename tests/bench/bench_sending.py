"""(h) The sending path alone: what a packet costs in runs the kernel cuts apart, beside the same packets one by one.

A real port, pump and SRTP keys (AES-GCM), receivers that only empty their sockets between the rounds. The best tenth
of the rounds is what the code costs; the rest is what else the machine does. BENCH_ROUNDS makes it longer.
"""

import asyncio
import os
import time
from typing import Any

from media.packet import Kind
from streams.fanout import Packet
from streams.webrtc.outlet import Pace, SourceTrack
from streams.webrtc.port import UdpPort
from streams.webrtc.pump import Pump
from tests.bench.measure import percentile, save, table
from tests.unit.streams.webrtc.plane import Plane, Receiver, plane

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "200"))
PAYLOAD_BYTES = 1100
SHAPES = ((9, 1), (9, 4), (100, 1), (100, 4), (100, 8), (100, 17))
"""Viewers, and packets a picture has."""


def set_runs(port: UdpPort, *, is_on: bool) -> Pump:
    """Return a pump that makes runs, or none."""
    port.batch.takes_runs = is_on
    return Pump(port)


async def round_s(track: SourceTrack, packets: list[Packet]) -> float:
    """Send one picture to everybody; return how long that took."""
    assert track.pump is not None
    began = time.perf_counter()
    track.append(packets, is_key=False)
    track.pump.wake(track)
    while track.backlog:  # noqa: ASYNC110  # no event to wait for
        await asyncio.sleep(0)
    return time.perf_counter() - began


def emptied(receivers: list[Receiver]) -> int:
    """Take what has arrived; return how many packets that was."""
    count = 0
    for receiver in receivers:
        try:
            while receiver.sock.recv(2048):
                count += 1
        except BlockingIOError:
            pass
    return count


async def measure_us(place: Plane, viewers: int, count: int, *, is_on: bool) -> float:
    """Return the best tenth of the rounds, in µs per packet and viewer; AssertionError when a packet is lost."""
    place.pump = set_runs(place.port, is_on=is_on)
    place.begin()
    place.picture(is_key=True, size=200)
    receivers = [place.join() for _ in range(viewers)]
    await place.settle()
    track = place.feed.tracks[Kind.VIDEO]
    track.pump = place.pump
    emptied(receivers)
    rounds: list[float] = []
    for number in range(ROUNDS):
        track.pace = Pace()  # a burst again
        packets = [Packet(bytes(PAYLOAD_BYTES), 3600 * number, 0) for _ in range(count)]
        rounds.append(await round_s(track, packets))
        assert emptied(receivers) == viewers * count
    return percentile(rounds, 0.1) * 1e6 / viewers / count


async def measure() -> list[dict[str, Any]]:
    """Return a row for every shape."""
    rows = []
    for viewers, count in SHAPES:
        found = {}
        for name, is_on in (("runs", True), ("singles", False)):
            async with plane() as place:
                found[name] = await measure_us(place, viewers, count, is_on=is_on)
        rows.append(
            {
                "viewers": viewers,
                "packets": count,
                "runs_us": found["runs"],
                "singles_us": found["singles"],
                "ratio": found["runs"] / found["singles"],
            }
        )
    return rows


def main() -> None:
    rows = asyncio.run(measure())
    table("(h) sending a packet, µs per viewer", rows)
    save("sending", rows)


if __name__ == "__main__":
    main()

"""(d) How soon the second viewer of a camera has a picture: from POST, and from the answer, to the first decoded frame.

One camera with a 2 s GOP, one viewer that stays, then BENCH_JOINS=60 viewers one after another, each an aiortc peer
that really decodes. Authentication on; the request goes through api to the worker.
"""

import asyncio
import os
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from aiortc import RTCPeerConnection, RTCSessionDescription

from tests.bench.bench_ingest import simulator
from tests.bench.measure import percentile, save, table
from tests.hub_process import HubProcess

JOINS = int(os.environ.get("BENCH_JOINS", "60"))


async def watch(http: httpx.AsyncClient, camera_id: str) -> tuple[RTCPeerConnection, str, float, float]:
    """Open one viewer; return the peer, its session URL, and seconds from POST and from the answer to the first frame."""
    peer = RTCPeerConnection()
    peer.addTransceiver("video", direction="recvonly")
    first: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    @peer.on("track")
    def on_track(track: Any) -> None:
        async def read() -> None:
            await track.recv()
            if not first.done():
                first.set_result(time.monotonic())

        peer.bench_task = asyncio.ensure_future(read())

    await peer.setLocalDescription(await peer.createOffer())
    posted = time.monotonic()
    answer = await http.post(
        f"/api/v1/cameras/{camera_id}/whep",
        content=peer.localDescription.sdp,
        headers={"Content-Type": "application/sdp"},
    )
    answered = time.monotonic()
    assert answer.status_code == 201, answer.text
    await peer.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
    seen = await asyncio.wait_for(first, 20)
    return peer, answer.headers["Location"], seen - posted, seen - answered


async def joins(hub: HubProcess, camera_id: str) -> list[tuple[float, float]]:
    """Join and leave `JOINS` times at random moments of the GOP, while one viewer stays."""
    times = []
    async with httpx.AsyncClient(base_url=hub.url, headers=dict(hub.http.headers), timeout=20) as http:
        stayer, _, _, _ = await watch(http, camera_id)
        for _ in range(JOINS):
            await asyncio.sleep(random.uniform(0.2, 1.2))
            peer, location, from_post, from_answer = await watch(http, camera_id)
            times.append((from_post, from_answer))
            await http.delete(location)
            await peer.close()
        await stayer.close()
    return times


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, simulator(1) as port, HubProcess(Path(folder) / "hub") as hub:
        hub.login()
        hub.add_camera("cam1", f"rtsp://127.0.0.1:{port}/cam1")
        hub.wait_online("cam1")
        times = asyncio.run(joins(hub, "cam1"))
    rows = []
    for name, values in (("POST", [a * 1000 for a, _ in times]), ("answer", [b * 1000 for _, b in times])):
        rows.append(
            {
                "from": name,
                "n": len(values),
                "p50_ms": percentile(values, 0.5),
                "p95_ms": percentile(values, 0.95),
                "max_ms": max(values),
            }
        )
    table("(d) first picture of the second viewer", rows)
    save("first_picture", rows)


if __name__ == "__main__":
    main()

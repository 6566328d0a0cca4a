"""The decoding child process as its user sees it: it comes, goes, and is replaced when it dies."""

import asyncio
import os
import signal

import pytest

from media.base.errors import ErrorKind, HubError
from media.ffmpeg.decoder import KeyFrameDecoder
from media.packet import Codec
from tests.unit.media.ffmpeg.grey_picture import DATA, SETS


@pytest.fixture
async def decoder():
    made = KeyFrameDecoder(max_waiting=3)
    yield made
    await made.aclose()


async def test_pictures_come_back_and_bad_ones_fail_alone(decoder: KeyFrameDecoder) -> None:
    assert (await decoder.jpeg(Codec.H264, SETS, DATA)).width == 320
    with pytest.raises(HubError) as refused:
        await decoder.jpeg(Codec.H264, SETS, b"")
    assert refused.value.code == "not_decodable"
    assert (await decoder.jpeg(Codec.H264, SETS, DATA, 160)).width == 160


async def test_a_killed_child_is_replaced(decoder: KeyFrameDecoder) -> None:
    await decoder.jpeg(Codec.H264, SETS, DATA)
    os.kill(decoder._child.pid, signal.SIGKILL)
    await asyncio.sleep(0.1)
    assert (await decoder.jpeg(Codec.H264, SETS, DATA)).width == 320


async def test_a_hanging_child_is_killed_in_time() -> None:
    decoder = KeyFrameDecoder(timeout_s=0.5)
    decoder._child = await asyncio.create_subprocess_exec(
        "sleep", "60", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    hanging = decoder._child
    with pytest.raises(HubError) as refused:
        await decoder.jpeg(Codec.H264, SETS, DATA)
    assert refused.value.kind is ErrorKind.TIMEOUT
    assert hanging.returncode is not None
    await decoder.aclose()


async def test_too_many_callers_are_refused_and_the_rest_served(decoder: KeyFrameDecoder) -> None:
    results = await asyncio.gather(*(decoder.jpeg(Codec.H264, SETS, DATA) for _ in range(6)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, HubError)]
    assert [error.code for error in refused] == ["too_many_snapshots"] * 3


async def test_an_idle_child_is_stopped() -> None:
    decoder = KeyFrameDecoder(idle_s=0.05)
    await decoder.jpeg(Codec.H264, SETS, DATA)
    child = decoder._child
    async with asyncio.timeout(5):
        await child.wait()
    assert child.returncode == 0
    assert (await decoder.jpeg(Codec.H264, SETS, DATA)).width == 320
    await decoder.aclose()


async def test_a_closed_decoder_refuses() -> None:
    decoder = KeyFrameDecoder()
    await decoder.aclose()
    with pytest.raises(HubError) as refused:
        await decoder.jpeg(Codec.H264, SETS, DATA)
    assert refused.value.kind is ErrorKind.UNAVAILABLE

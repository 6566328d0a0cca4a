"""How an address becomes an open source: redirects, sessions left behind, cameras that UDP does not reach."""

import asyncio
from collections.abc import Sequence
from typing import ClassVar

import pytest

from media.base.clock import SimulatedClock
from media.base.ids import Quality, SourceId, StreamKey
from media.packet import EndReason
from media.rtsp.transport import Transport
from streams.hub import Hub
from streams.ingest import connector
from streams.ingest.connection import SourceError, SourceRequest
from streams.ingest.connector import MAX_REDIRECTS, RtspConnector
from streams.ingest.leftover import LeftSession, MemorySessionStore
from streams.ingest.networks import SourceNetworks
from streams.ingest.rtsp import RedirectError
from streams.ingest.url import SourceUrl

KEY = StreamKey(SourceId("camera/gate"), Quality.MAIN)


class FakeSource:
    """Stands for `RtspSource`: opens, or redirects as its script says."""

    script: ClassVar[list[str]] = []
    opened: ClassVar[list["FakeSource"]] = []

    def __init__(self, url: SourceUrl, _stream: object, transport: Transport, _world: object) -> None:
        self.url, self.transport = url, transport
        self.ended: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()
        self.udp_failed = False

    async def open(self, _addresses: Sequence[str]) -> None:
        FakeSource.opened.append(self)
        if FakeSource.script:
            raise RedirectError(FakeSource.script.pop(0))


@pytest.fixture(autouse=True)
def farewells(monkeypatch: pytest.MonkeyPatch) -> list[LeftSession]:
    said: list[LeftSession] = []

    async def end_left_session(_url: object, _address: object, left: LeftSession, *_more: object) -> bool:
        said.append(left)
        return False

    monkeypatch.setattr(connector, "RtspSource", FakeSource)
    monkeypatch.setattr(connector, "end_left_session", end_left_session)
    FakeSource.script, FakeSource.opened = [], []
    return said


def connect(sessions: MemorySessionStore | None = None) -> RtspConnector:
    return RtspConnector(Hub(), SimulatedClock(), SourceNetworks.parse(), sessions)


def request(url: str = "rtsp://admin:pass@10.0.0.9/live", transport: Transport = Transport.TCP) -> SourceRequest:
    return SourceRequest(KEY, url, transport)


async def test_a_redirect_on_the_same_host_keeps_the_password() -> None:
    FakeSource.script = ["rtsp://10.0.0.9:8554/other"]
    await connect()(request())
    first, second = FakeSource.opened
    assert second.url.port == 8554
    assert second.url.credentials == first.url.credentials is not None


async def test_a_redirect_to_another_host_does_not_get_the_password() -> None:
    FakeSource.script = ["rtsp://10.0.0.10/live"]
    await connect()(request())
    assert FakeSource.opened[-1].url.credentials is None


async def test_a_redirect_out_of_the_allowed_networks_is_refused() -> None:
    FakeSource.script = ["rtsp://169.254.169.254/latest"]
    with pytest.raises(SourceError) as caught:
        await connect()(request())
    assert caught.value.code == "network_not_allowed"


async def test_a_camera_that_redirects_in_circles_is_given_up() -> None:
    FakeSource.script = ["rtsp://10.0.0.9/again"] * 99
    with pytest.raises(SourceError, match="circles"):
        await connect()(request())
    assert len(FakeSource.opened) == MAX_REDIRECTS + 1


async def test_a_session_left_open_is_ended_once_before_the_new_one(farewells: list[LeftSession]) -> None:
    sessions = MemorySessionStore()
    left = LeftSession("1234", "rtsp://10.0.0.9/live")
    sessions.save(KEY, left)
    open_source = connect(sessions)
    await open_source(request())
    await open_source(request())
    assert farewells == [left]


async def test_a_camera_that_udp_does_not_reach_is_asked_for_tcp_next_time() -> None:
    open_source = connect()
    source = await open_source(request(transport=Transport.UDP))
    assert isinstance(source, FakeSource)
    source.udp_failed = True
    source.ended.set_result(EndReason.SILENT)
    await asyncio.sleep(0)
    await open_source(request(transport=Transport.UDP))
    assert [source.transport for source in FakeSource.opened] == [Transport.UDP, Transport.TCP]

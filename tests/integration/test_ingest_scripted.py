"""Ingest of servers that misbehave, and of conversations the simulator has no switch for."""

import asyncio
import time

import pytest

from media.base.clock import SystemClock
from media.base.ids import CameraId
from media.packet import EndReason
from media.rtp.rtcp import ReceiverReport, parse_compound
from media.rtsp.message import Headers, Request, Response
from media.rtsp.transport import Transport
from streams.ingest import rtsp
from streams.ingest.connection import SourceError
from streams.ingest.leftover import LeftSession, MemorySessionStore
from streams.registry import Registry
from streams.source import CameraConfig, ConnectGate, SupervisorWorld
from tests.integration.fixtures_ingest import Rig, tcp_server
from tests.integration.scripted_camera import scripted_camera


async def error_of(url: str, transport: Transport = Transport.TCP) -> SourceError:
    rig = Rig()
    with pytest.raises(SourceError) as refused:
        await rig.connector(rig.request(url, transport))
    assert rig.tape.runs == []
    return refused.value


def says(data: bytes, *, then_closes: bool = True):
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(data)
        if then_closes:
            writer.close()

    return answer


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        bytes(400_000),
        b"RTSP/1.0 200 OK\r\n" + b"A: b\r\n" * 10_000,
        b"RTSP/1.0 200 OK\r\nContent-Length: 999999999\r\n\r\n",
    ],
    ids=["http", "ssh", "zeros", "endless headers", "endless body"],
)
async def test_a_server_that_is_no_camera_is_called_that(data: bytes) -> None:
    async with tcp_server(says(data)) as url:
        assert (await error_of(url)).code == "not_a_camera"


async def test_a_server_that_closes_at_once_is_disconnected() -> None:
    async with tcp_server(says(b"")) as url:
        assert (await error_of(url)).reason is EndReason.DISCONNECTED


async def test_a_server_that_never_answers_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtsp, "HANDSHAKE_TIMEOUT_S", 0.3)
    async with tcp_server(says(b"", then_closes=False)) as url:
        assert (await error_of(url)).code == "timeout"


async def test_nobody_there_is_refused_and_a_foreign_network_never_contacted() -> None:
    assert (await error_of("rtsp://127.0.0.1:1/")).reason is EndReason.REFUSED
    assert (await error_of("rtsp://10.9.9.9/")).code == "network_not_allowed"


@pytest.mark.parametrize(
    ("method", "status", "reason"),
    [
        ("DESCRIBE", 404, EndReason.NOT_FOUND),
        ("DESCRIBE", 401, EndReason.UNAUTHORIZED),
        ("DESCRIBE", 403, EndReason.UNAUTHORIZED),
        ("DESCRIBE", 503, EndReason.REFUSED),
        ("SETUP", 453, EndReason.REFUSED),
        ("SETUP", 461, EndReason.UNSUPPORTED),
        ("PLAY", 500, EndReason.REFUSED),
    ],
)
async def test_refusals_have_their_reasons(method: str, status: int, reason: EndReason) -> None:
    async with scripted_camera() as camera:
        camera.answers[method] = lambda _request: Response(status)
        assert (await error_of(camera.url)).reason is reason


async def test_a_description_without_a_codec_we_carry_is_unsupported() -> None:
    async with scripted_camera() as camera:
        sdp = b"v=0\r\nm=video 0 RTP/AVP 26\r\na=control:1\r\n"
        camera.answers["DESCRIBE"] = lambda _request: Response(200, body=sdp)
        assert (await error_of(camera.url)).reason is EndReason.UNSUPPORTED


async def test_parameter_sets_in_the_stream_are_enough() -> None:
    rig = Rig()
    async with scripted_camera() as camera, rig.playing(camera.url):
        await rig.tape.until(lambda tape: len(tape.units) == 3)
    assert rig.tape.runs[0][0].params.width == 320
    assert [unit.dts for unit in rig.tape.units] == [0, 3600, 7200]


async def test_requests_of_the_camera_in_mid_stream_are_answered_between_the_packets() -> None:
    def chat(writer: asyncio.StreamWriter) -> None:
        camera.send_pictures(writer, 0, 1)
        writer.write(Request("OPTIONS", "*", Headers([("CSeq", "77")])).to_bytes())
        writer.write(Request("ANNOUNCE", "*", Headers([("CSeq", "78")]), b"v=0\r\n").to_bytes())
        camera.send_pictures(writer, 3600, 1)

    rig = Rig()
    async with scripted_camera() as camera:
        camera.after_play = chat
        async with rig.playing(camera.url):
            await rig.tape.until(lambda tape: len(tape.units) == 2)
            await camera.until(lambda: len(camera.replies) == 2)
    assert [(reply.status, reply.cseq) for reply in camera.replies] == [(200, 77), (200, 78)]


async def test_a_timestamp_jump_makes_a_new_run_on_the_same_connection() -> None:
    def jump(writer: asyncio.StreamWriter) -> None:
        camera.send_pictures(writer, 0xFFFF_F000, 3)  # wraps, which is none
        camera.send_pictures(writer, 90_000 * 7200, 3)

    rig = Rig()
    async with scripted_camera() as camera:
        camera.after_play = jump
        async with rig.playing(camera.url):
            await rig.tape.until(lambda tape: len(tape.units) == 6)
    assert [unit.dts for unit in rig.tape.units] == [0, 3600, 7200] * 2
    assert rig.tape.ends == [EndReason.TIMESTAMPS, EndReason.SHUTDOWN]
    assert camera.methods().count("PLAY") == 1


async def test_the_session_of_a_dead_worker_is_torn_down_first() -> None:
    async with scripted_camera() as camera:
        sessions = MemorySessionStore()
        rig = Rig(sessions)
        sessions.save(rig.key, LeftSession("old-one", camera.url + "/"))
        async with rig.playing(camera.url):
            assert sessions.load(rig.key) == LeftSession("42", camera.url)
        assert sessions.load(rig.key) is None
    assert camera.methods()[0] == "TEARDOWN"
    assert camera.requests[0].headers.get("Session") == "old-one"
    assert camera.methods()[-1] == "TEARDOWN"


async def test_a_farewell_nobody_answers_is_kept_for_the_next_time() -> None:
    async with scripted_camera() as camera:
        camera.answers["TEARDOWN"] = lambda _request: None
        sessions = MemorySessionStore()
        rig = Rig(sessions)
        source = await rig.connector(rig.request(camera.url))
        started_s = time.perf_counter()
        await source.aclose(EndReason.SILENT)
        assert time.perf_counter() - started_s < 2.0
        assert sessions.load(rig.key) is not None


async def test_receiver_reports_go_out_and_name_the_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtsp, "TICK_S", 0.1)
    monkeypatch.setattr(rtsp, "REPORT_PERIOD_NS", 200_000_000)
    rig = Rig()
    async with scripted_camera() as camera, rig.playing(camera.url):
        await camera.until(lambda: len(camera.frames) == 2)
        report, _ = parse_compound(camera.frames[-1].payload)
    assert camera.frames[-1].channel == 1
    assert isinstance(report, ReceiverReport)
    assert report.reports[0].ssrc == 7
    assert report.reports[0].highest_sequence == 11


async def test_the_session_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtsp, "TICK_S", 0.1)
    rig = Rig()
    async with scripted_camera() as camera:
        camera.answers["SETUP"] = lambda _request: Response(
            200, headers=Headers([("Transport", camera.transport_header), ("Session", "42; timeout = 2")])
        )
        async with rig.playing(camera.url):
            await camera.until(lambda: camera.methods().count("GET_PARAMETER") == 2)


async def test_redirects_are_followed_with_the_credentials_and_not_in_circles() -> None:
    async with scripted_camera() as first, scripted_camera() as second:
        first.answers["DESCRIBE"] = lambda _request: Response(302, headers=Headers([("Location", second.url)]))
        rig = Rig()
        async with rig.playing(first.url):
            await rig.tape.until(lambda tape: tape.units != [])
        second.answers["DESCRIBE"] = lambda _request: Response(302, headers=Headers([("Location", first.url)]))
        assert (await error_of(first.url)).reason is EndReason.REFUSED


async def test_a_redirect_out_of_the_allowed_networks_is_not_followed() -> None:
    async with scripted_camera() as camera:
        camera.answers["DESCRIBE"] = lambda _request: Response(
            302, headers=Headers([("Location", "rtsp://169.254.169.254/latest")])
        )
        assert (await error_of(camera.url)).code == "network_not_allowed"


async def test_udp_that_brings_nothing_falls_back_to_tcp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtsp, "TICK_S", 0.1)
    monkeypatch.setattr(rtsp, "UDP_PATIENCE_NS", 300_000_000)
    rig = Rig()
    async with scripted_camera() as camera:
        camera.transport_header = "RTP/AVP;unicast;client_port=6000-6001;server_port=7000-7001"
        source = await rig.connector(rig.request(camera.url, Transport.UDP))
        async with asyncio.timeout(3):
            assert await source.ended is EndReason.SILENT
        await source.aclose(EndReason.SILENT)
        camera.transport_header = "RTP/AVP/TCP;unicast;interleaved=0-1"
        async with rig.playing(camera.url, Transport.UDP):
            await rig.tape.until(lambda tape: tape.units != [])
    setups = [request.headers.get("Transport") for request in camera.requests if request.method == "SETUP"]
    assert "client_port" in setups[0]
    assert "interleaved" in setups[1]


async def test_a_camera_that_hangs_up_is_connected_to_again() -> None:
    async with scripted_camera() as camera:
        camera.after_play = lambda writer: (camera.send_pictures(writer, 0, 2), writer.close())
        rig = Rig()
        world = SupervisorWorld(rig.connector, SystemClock(), ConnectGate())
        registry = Registry(rig.hub, world, lambda _camera, _status: None)
        await registry.reconcile(
            {CameraId("foreign"): CameraConfig(camera_id=CameraId("foreign"), source_url=camera.url)}
        )
        await rig.tape.until(lambda tape: len(tape.runs) == 2)
        await registry.aclose()
    assert rig.tape.ends[0] is EndReason.DISCONNECTED


async def test_one_cameras_bug_hurts_one_camera_only() -> None:
    """A receiver that raises takes its own connection down; the other one goes on reading."""
    async with scripted_camera() as sick, scripted_camera() as sound:
        ill, well = Rig(), Rig()
        async with well.playing(sound.url):
            source = await ill.connector(ill.request(sick.url))
            await ill.tape.until(lambda tape: len(tape.units) == 3)
            source._receiver.channels[0] = lambda *_: 1 / 0
            asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
            sick.send_pictures(sick.writers[0], 90_000, 1)
            async with asyncio.timeout(2):
                assert await source.ended is EndReason.DISCONNECTED
            count = len(well.tape.units)
            sound.send_pictures(sound.writers[0], 3 * 3600, 2)
            await well.tape.until(lambda tape: len(tape.units) == count + 2)
            await source.aclose(EndReason.DISCONNECTED)

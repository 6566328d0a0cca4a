"""The source supervisor in simulated time: what it does with cameras that fail in every way they know."""

import asyncio
import random
from collections.abc import Callable

import pytest

from media.base.ids import CameraId, Quality, StreamKey, camera_source
from media.packet import Codec, CodecParams, EndReason
from streams.ingest.connection import SourceError, SourceRequest, SourceStats
from streams.source import CameraConfig, ConnectGate, RetryPolicy, SourceSupervisor, SupervisorWorld
from streams.status import SourceState, SourceStatus
from tests.unit.streams.simulated_loop import loop_clock, run_simulated

KEY = StreamKey(camera_source(CameraId("gate-3")))
REQUEST = SourceRequest(KEY, "rtsp://admin:secret@10.0.0.1/")


class FakeConnection:
    """Media flows until `lives_s` have passed; `mute_after_s` stops it without a word."""

    def __init__(self, lives_s: float = 1e9, mute_after_s: float = 1e9, *, decodable: bool = True) -> None:
        loop = asyncio.get_running_loop()
        self._opened_s = loop.time()
        self._mute_after_s = mute_after_s
        self._decodable = decodable
        self.ended: asyncio.Future[EndReason] = loop.create_future()
        self._timer = loop.call_later(lives_s, self._end)
        self.closed: EndReason | None = None

    def _end(self) -> None:
        if not self.ended.done():
            self.ended.set_result(EndReason.DISCONNECTED)

    @property
    def last_media_mono_ns(self) -> int:
        now_s = asyncio.get_running_loop().time()
        return round(min(now_s, self._opened_s + self._mute_after_s) * 1e9)

    @property
    def is_publishing(self) -> bool:
        return self._decodable and asyncio.get_running_loop().time() > self._opened_s

    def stats(self) -> SourceStats:
        params = CodecParams(codec=Codec.H264, clock_rate_hz=90_000, width=1920, height=1080)
        return SourceStats(video=params, last_packet_wall_us=loop_clock().wall_us())

    async def aclose(self, reason: EndReason) -> None:
        self._timer.cancel()
        self.closed = reason


class Camera:
    """Answers each attempt by its script; the last line repeats."""

    def __init__(self, *script: EndReason | Callable[[], FakeConnection]) -> None:
        self._script = list(script)
        self.attempts_s: list[float] = []
        self.connections: list[FakeConnection] = []

    async def connect(self, _request: SourceRequest) -> FakeConnection:
        self.attempts_s.append(asyncio.get_running_loop().time() - 1_000.0)
        line = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if isinstance(line, EndReason):
            raise SourceError(line, "no")
        self.connections.append(line())
        return self.connections[-1]

    @property
    def waits_s(self) -> list[float]:
        return [b - a for a, b in zip(self.attempts_s, self.attempts_s[1:], strict=False)]


def supervise(camera: Camera, seconds: float, *, stop: EndReason = EndReason.DISABLED) -> list[SourceStatus]:
    """Run a supervisor for `seconds` of simulated time and return what it told."""

    async def run() -> list[SourceStatus]:
        told: list[SourceStatus] = []
        world = SupervisorWorld(camera.connect, loop_clock(), ConnectGate(), random.Random(1))
        supervisor = SourceSupervisor(REQUEST, world, told.append)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(supervisor.run())
            await asyncio.sleep(seconds)
            told.append(supervisor.status())
            supervisor.stop_reason = stop
            task.cancel()
        return told

    return run_simulated(run())


def states(told: list[SourceStatus]) -> list[tuple[SourceState, str]]:
    return [(status.state, status.reason) for status in told]


def test_a_camera_that_was_never_up_is_tried_for_ever_up_to_every_30_s() -> None:
    camera = Camera(EndReason.UNREACHABLE)
    told = supervise(camera, 3600)
    assert camera.waits_s[0] <= 1.0
    assert all(15.0 <= wait <= 30.0 for wait in camera.waits_s[6:])
    assert len(camera.attempts_s) > 120
    assert states(told) == [(SourceState.OFFLINE, "unreachable")] * 2  # told once, and the status at the end
    assert told[0].since_wall_us == told[-1].since_wall_us


def test_a_camera_that_comes_up_late_goes_online() -> None:
    camera = Camera(*[EndReason.UNREACHABLE] * 5, FakeConnection)
    told = supervise(camera, 120)
    assert states(told)[0] == (SourceState.OFFLINE, "unreachable")
    assert states(told)[-1] == (SourceState.ONLINE, "")
    assert told[-1].video is not None
    assert told[-1].video.width == 1920


def test_a_drop_after_a_good_spell_is_retried_within_a_second() -> None:
    camera = Camera(lambda: FakeConnection(lives_s=60.0), FakeConnection)
    told = supervise(camera, 120)
    assert 60.0 < camera.attempts_s[1] <= 61.3
    assert states(told)[:3] == [
        (SourceState.ONLINE, ""),
        (SourceState.CONNECTING, "disconnected"),
        (SourceState.ONLINE, ""),
    ]


def test_silence_on_a_living_connection_is_noticed_and_the_connection_replaced() -> None:
    camera = Camera(lambda: FakeConnection(mute_after_s=20.0), FakeConnection)
    told = supervise(camera, 60)
    assert camera.connections[0].closed is EndReason.SILENT
    assert 30.0 < camera.attempts_s[1] <= 33.0
    assert (SourceState.CONNECTING, "silent") in states(told)
    assert states(told)[-1] == (SourceState.ONLINE, "")


def test_a_camera_that_accepts_and_never_sends_is_offline_and_silent() -> None:
    camera = Camera(lambda: FakeConnection(mute_after_s=0.0, decodable=False))
    told = supervise(camera, 300)
    assert {state for state, _ in states(told)} == {SourceState.OFFLINE}
    assert told[-1].reason == "silent"


def test_media_nobody_can_decode_is_given_up_as_unsupported_and_retried_slowly() -> None:
    camera = Camera(lambda: FakeConnection(decodable=False))
    told = supervise(camera, 3600)
    assert told[-1].reason == "unsupported"
    assert len(camera.attempts_s) < 40


def test_a_wrong_password_is_not_repeated_until_the_camera_locks_the_account() -> None:
    camera = Camera(EndReason.UNAUTHORIZED)
    told = supervise(camera, 1800)
    assert len(camera.attempts_s) <= 5
    assert states(told)[-1] == (SourceState.OFFLINE, "unauthorized")


def test_a_password_that_was_right_before_gets_two_quick_retries() -> None:
    camera = Camera(lambda: FakeConnection(lives_s=60.0), EndReason.UNAUTHORIZED, FakeConnection)
    told = supervise(camera, 90)
    assert states(told)[-1] == (SourceState.ONLINE, "")
    camera = Camera(lambda: FakeConnection(lives_s=60.0), EndReason.UNAUTHORIZED)
    supervise(camera, 200)
    assert len(camera.attempts_s) == 4


def test_an_offline_camera_still_tells_what_it_carried_but_no_bitrate() -> None:
    camera = Camera(lambda: FakeConnection(lives_s=60.0), EndReason.UNREACHABLE)
    last = supervise(camera, 120)[-1]
    assert last.state is SourceState.OFFLINE
    assert last.video is not None
    assert last.last_packet_wall_us == 1_700_000_000_000_000 + 1_060_000_000
    assert last.bitrate_bps == 0


def test_a_missing_stream_is_named_and_retried_at_the_usual_pace() -> None:
    camera = Camera(EndReason.NOT_FOUND)
    told = supervise(camera, 600)
    assert states(told)[-1] == (SourceState.OFFLINE, "not_found")
    assert 20 <= len(camera.attempts_s) <= 60


def test_flapping_is_slowed_down() -> None:
    camera = Camera(lambda: FakeConnection(lives_s=5.0))
    supervise(camera, 600)
    assert all(wait >= 5.0 + 15.0 for wait in camera.waits_s[6:])


def test_a_bug_in_the_connection_is_one_more_failed_attempt() -> None:
    def broken() -> FakeConnection:
        raise ZeroDivisionError

    camera = Camera(broken, FakeConnection)
    told = supervise(camera, 60)
    assert states(told)[0] == (SourceState.OFFLINE, "internal")
    assert states(told)[-1] == (SourceState.ONLINE, "")


@pytest.mark.parametrize("reason", [EndReason.DISABLED, EndReason.SHUTDOWN])
def test_stopping_closes_the_connection_with_the_stated_reason(reason: EndReason) -> None:
    camera = Camera(FakeConnection)
    supervise(camera, 30, stop=reason)
    assert camera.connections[0].closed is reason


def test_a_new_reason_is_told_but_the_outage_keeps_its_beginning() -> None:
    camera = Camera(EndReason.UNREACHABLE, EndReason.REFUSED, EndReason.NOT_FOUND)
    told = supervise(camera, 60)
    assert [status.reason for status in told] == ["unreachable", "refused", "not_found", "not_found"]
    assert len({status.since_wall_us for status in told}) == 1


def test_retry_now_cuts_the_slow_wait() -> None:
    camera = Camera(EndReason.UNAUTHORIZED, FakeConnection)

    async def run() -> SourceState:
        supervisor = SourceSupervisor(
            REQUEST, SupervisorWorld(camera.connect, loop_clock(), ConnectGate()), lambda _status: None
        )
        async with asyncio.TaskGroup() as group:
            task = group.create_task(supervisor.run())
            await asyncio.sleep(1.0)
            supervisor.retry_now()
            await asyncio.sleep(1.0)
            state = supervisor.status().state
            task.cancel()
        return state

    assert run_simulated(run()) is SourceState.ONLINE


def test_five_hundred_cameras_back_in_the_same_second_do_not_herd() -> None:
    async def run() -> tuple[int, float, list[float]]:
        loop = asyncio.get_running_loop()
        busy = most = 0
        starts_s: list[float] = []

        async def connect(_request: SourceRequest) -> FakeConnection:
            nonlocal busy, most
            if loop.time() < 1_300.0:
                raise SourceError(EndReason.UNREACHABLE, "power cut")
            starts_s.append(loop.time())
            busy += 1
            most = max(most, busy)
            await asyncio.sleep(0.05)
            busy -= 1
            return FakeConnection()

        world = SupervisorWorld(connect, loop_clock(), ConnectGate(), random.Random(7))
        supervisors = [SourceSupervisor(REQUEST, world, lambda _status: None) for _ in range(500)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(supervisor.run()) for supervisor in supervisors]
            await asyncio.sleep(340)
            online = sum(supervisor.status().state is SourceState.ONLINE for supervisor in supervisors)
            for task in tasks:
                task.cancel()
        return most, online, starts_s

    most, online, starts_s = run_simulated(run())
    assert online == 500
    assert most <= 32
    busiest_second = max(sum(a <= b < a + 1 for b in starts_s) for a in starts_s)
    assert busiest_second < 100


def test_cameras_that_accept_and_say_nothing_do_not_keep_the_living_waiting() -> None:
    async def run() -> float:
        gate = ConnectGate(limit=4, hold_s=2.0)

        async def mute() -> None:
            async with gate.place():
                await asyncio.sleep(10.0)

        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(mute())
            await asyncio.sleep(0)
            started_s = asyncio.get_running_loop().time()
            async with gate.place():
                waited_s = asyncio.get_running_loop().time() - started_s
        places = 0
        for _ in range(4):  # every place came back exactly once
            await gate.place().__aenter__()
            places += 1
        assert places == 4
        return waited_s

    assert run_simulated(run()) == pytest.approx(4.0)


def test_credentials_are_in_no_repr() -> None:
    config = CameraConfig(camera_id=CameraId("a"), source_url="rtsp://u:pw@h/", sub_source_url="rtsp://u:pw@h/2")
    assert "pw" not in repr(config)
    assert "pw" not in repr(config.request(Quality.SUB))


def test_waits_are_jittered() -> None:
    waits = {round(RetryPolicy(random.Random(seed)).wait_s(EndReason.UNREACHABLE), 3) for seed in range(20)}
    assert len(waits) > 10

"""The deck joins sources and recordings; one unreadable camera hurts only itself."""

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.processes.deck import Deck, main_stream
from api.secrets.cipher import Cipher
from api.secrets.source_urls import seal
from api.state import CameraDesired, RecordingDesired
from media.base.clock import SystemClock
from media.packet import EndReason
from recorder.policy import Mode
from recorder.recorder import Recorder
from streams.hub import Hub
from streams.ingest.connection import SourceConnection, SourceError, SourceRequest
from streams.registry import Registry
from streams.source import ConnectGate, SupervisorWorld

CIPHER = Cipher("a secret of some length")


class Stage:
    """A deck with real parts, whose cameras are never there."""

    def __init__(self, volume: Path) -> None:
        self.hub = Hub()
        self.asked: list[str] = []
        clock = SystemClock()
        self.registry = Registry(self.hub, SupervisorWorld(self.connect, clock, ConnectGate()), lambda *_: None)
        self.recorder = Recorder([volume], clock, node="n", epoch=1, on_event=lambda *_: None)
        self.deck = Deck(self.hub, self.registry, self.recorder, CIPHER, clock)

    async def connect(self, request: SourceRequest) -> SourceConnection:
        self.asked.append(request.url)
        raise SourceError(EndReason.UNREACHABLE, "nobody is there")


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    made = Stage(tmp_path)
    yield made
    await made.registry.aclose()
    await made.recorder.close()


def camera(camera_id: str = "a", *, mode: str = "continuous", sealed_for: str = "", **more: object) -> CameraDesired:
    url = seal(CIPHER, sealed_for or camera_id, f"rtsp://10.0.0.1/{camera_id}")
    recording = RecordingDesired(mode=mode, windows=more.pop("windows", ()))
    return CameraDesired(id=camera_id, source_url_enc=url, recording=recording, **more)


async def test_a_camera_is_asked_for_at_its_clear_url_and_waits_to_be_recorded(stage: Stage) -> None:
    await stage.deck.apply({"a": camera()})
    status = stage.deck.status("a")
    assert status["state"] in {"connecting", "offline"}
    assert status["recording"]["state"] == "waiting"
    assert stage.hub.get(main_stream("a")).reader_count == 1


async def test_a_url_sealed_for_another_camera_is_offline_and_hurts_nobody(stage: Stage) -> None:
    await stage.deck.apply({"a": camera("a", sealed_for="b"), "c": camera("c")})
    broken = stage.deck.status("a")
    assert (broken["state"], broken["reason"]) == ("offline", "secret_unreadable")
    assert broken["since"] == stage.deck.status("a")["since"]
    assert stage.deck.status("c")["reason"] != "secret_unreadable"


async def test_recording_follows_its_plan_without_touching_the_source(stage: Stage) -> None:
    await stage.deck.apply({"a": camera()})
    await stage.deck.apply({"a": camera(mode="off")})
    assert stage.deck.status("a")["recording"]["state"] == "off"
    assert stage.deck._readers["a"].policy.mode is Mode.OFF
    await stage.deck.apply({"a": camera()})
    assert stage.deck.status("a")["recording"]["state"] == "waiting"


async def test_a_schedule_is_followed_by_the_local_clock(stage: Stage) -> None:
    minute = (SystemClock().wall_us() // 60_000_000 + 480 + 3 * 1440) % 10080  # of the week in China
    now = ((max(0, minute - 5), minute + 5),)
    later = (((minute + 60) % 10080, (minute + 60) % 10080 + 1),)
    await stage.deck.apply(
        {"a": camera(mode="schedule", windows=now), "b": camera("b", mode="schedule", windows=later)}
    )
    assert stage.deck.status("a")["recording"]["state"] == "waiting"
    assert stage.deck.status("b")["recording"]["state"] == "off"
    assert stage.deck.status("b")["recording"]["reason"] == "planned"


async def test_a_schedule_without_windows_records_always(stage: Stage) -> None:
    await stage.deck.apply({"a": camera(mode="schedule")})
    assert stage.deck.status("a")["recording"]["state"] == "waiting"


async def test_event_mode_says_that_there_are_no_events_yet(stage: Stage) -> None:
    await stage.deck.apply({"a": camera(mode="event")})
    recording = stage.deck.status("a")["recording"]
    assert (recording["state"], recording["reason"]) == ("off", "no_event_source")


async def test_a_disabled_camera_says_so(stage: Stage) -> None:
    await stage.deck.apply({"a": camera()})
    await stage.deck.apply({"a": camera(enabled=False)})
    status = stage.deck.status("a")
    assert (status["state"], status["recording"]["state"]) == ("disabled", "off")


async def test_a_camera_that_left_leaves_nothing(stage: Stage) -> None:
    await stage.deck.apply({"a": camera(), "b": camera("b")})
    await stage.deck.apply({"b": camera("b")})
    assert stage.deck.status("a") is None
    assert stage.hub.get(main_stream("a")) is None
    assert list(stage.deck.statuses()) == ["b"]


async def test_an_unknown_transport_of_a_newer_version_is_that_cameras_trouble(stage: Stage) -> None:
    odd = dataclasses.replace(camera(), transport="quic")
    await stage.deck.apply({"a": odd, "b": camera("b")})
    assert stage.deck.status("a")["state"] == "offline"
    assert stage.deck.status("b") is not None

"""Every module has its test where a reader looks for it, or is named here with the tests that judge it."""

from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("media", "streams", "recorder", "api")

JUDGED_ELSEWHERE = {
    # Declarations without a decision of their own.
    "media/ffmpeg/aac_protocol.py": ("tests/unit/media/ffmpeg/test_aac_encoder.py",),
    "streams/ingest/connection.py": ("tests/unit/streams/test_source.py",),
    "api/context.py": ("tests/fakes/control.py",),
    "api/auth/verbs.py": ("tests/unit/api/routes/test_declarations.py",),
    "api/db/tables.py": ("tests/unit/api/db/test_migrate.py",),
    "streams/session/ports.py": ("tests/unit/streams/session/world.py",),
    # Parts that make sense only together, judged as one by what comes out at the end.
    "media/rtp/receive.py": ("tests/unit/media/rtp/test_depacketize_video.py", "tests/fuzz/test_fuzz_depacketize.py"),
    "media/rtp/depacketize.py": ("tests/unit/media/rtp/test_depacketize_audio.py",),
    "media/codec/h265_vui.py": ("tests/unit/media/codec/test_h265.py", "tests/fuzz/test_fuzz_h265.py"),
    "media/container/*.py": ("tests/fuzz/test_fuzz_container.py", "tests/unit/recorder/replay/test_mp4.py"),
    "media/ffmpeg/child.py": ("tests/unit/media/ffmpeg/test_aac_encoder.py", "tests/unit/media/ffmpeg/test_decoder.py"),
    "media/ffmpeg/transcode.py": ("tests/integration/test_recorder_sound.py",),
    "recorder/*writer.py": ("tests/unit/recorder/test_recorder.py", "tests/integration/test_recorder_faults.py"),
    "recorder/index/*.py": ("tests/unit/recorder/test_check.py", "tests/unit/recorder/test_recovery.py"),
    "recorder/rebuild.py": ("tests/unit/recorder/test_check.py",),
    "recorder/identities.py": ("tests/unit/recorder/test_check.py",),
    "recorder/segment_file.py": ("tests/unit/recorder/test_recovery.py",),
    "recorder/store.py": ("tests/unit/recorder/test_recovery.py",),
    "recorder/volume.py": ("tests/unit/recorder/test_recovery.py", "tests/integration/test_faults_disk.py"),
    "recorder/replay/*.py": ("tests/integration/test_recorder_replay.py", "tests/unit/recorder/replay/test_mp4.py"),
    "streams/session/sending.py": ("tests/unit/streams/session/test_session.py",),
    # A room's rules and values, judged together by meetings of ten thousand kinds.
    "streams/rooms/gateway.py": ("tests/unit/streams/rooms/test_remote.py",),
    "streams/rooms/*.py": ("tests/unit/streams/rooms/test_machine.py",),
    # What speaks to a peer over a socket: judged against that peer, ours and foreign.
    "streams/ingest/rtsp.py": ("tests/integration/test_ingest_scripted.py", "tests/integration/test_ingest_foreign.py"),
    "streams/ingest/farewell.py": ("tests/integration/test_ingest_scripted.py",),
    "streams/ingest/probe.py": ("tests/integration/test_ingest_foreign.py",),
    "streams/simulator/*.py": ("tests/integration/test_simulator.py", "tests/integration/test_simulator_defects.py"),
    "streams/webrtc/*.py": (
        "tests/integration/test_whep_viewers.py",
        "tests/integration/test_whep_chromium.py",
        "tests/unit/streams/webrtc/test_pump.py",
    ),
    # The control plane is judged through its HTTP interface, on SQLite and on PostgreSQL.
    "api/app.py": ("tests/unit/api/routes/test_declarations.py",),
    "api/auth/roles.py": ("tests/unit/api/auth/test_principal.py",),
    "api/auth/a*.py": ("tests/unit/api/routes/test_auth.py",),
    "api/camera_import/*.py": ("tests/unit/api/routes/test_import.py",),
    "api/control/*.py": ("tests/unit/api/routes/test_events.py", "tests/unit/api/routes/test_limits.py"),
    "api/forward/streams.py": ("tests/unit/api/routes/test_playback.py",),
    "api/http/*.py": ("tests/unit/api/routes/test_declarations.py", "tests/fuzz/test_fuzz_api.py"),
    "api/routes/*.py": ("tests/unit/api/routes/test_declarations.py", "tests/fuzz/test_fuzz_api.py"),
    "api/schemas/*.py": ("tests/fuzz/test_fuzz_api.py",),
    "api/services/*.py": ("tests/unit/api/routes", "tests/integration/test_control_plane_postgres.py"),
    "api/db/*.py": ("tests/unit/api/routes", "tests/integration/test_control_plane_postgres.py"),
    "api/state/*.py": ("tests/unit/api/state/test_store.py",),
    # Processes are judged as processes.
    "api/processes/*.py": ("tests/integration/test_run.py", "tests/integration/test_faults_kill.py"),
    "api/cli/*.py": ("tests/unit/api/cli/test_main.py",),
}
"""Pattern of modules → tests that fail when they are wrong. The last pattern of a folder is its general rule."""


def modules() -> list[str]:
    found = [path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return sorted(
        path.as_posix()
        for path in found
        if path.name not in {"__init__.py", "__main__.py"} and "migrations" not in path.parts
    )


def mirror_of(module: str) -> Path:
    path = Path(module)
    return ROOT / "tests" / "unit" / path.parent / f"test_{path.name}"


def test_a_module_has_a_test_in_its_mirror_or_is_named() -> None:
    missing = [module for module in modules() if not mirror_of(module).exists()]
    assert [m for m in missing if not any(fnmatch(m, pattern) for pattern in JUDGED_ELSEWHERE)] == []


def test_the_named_tests_exist() -> None:
    named = {test for tests in JUDGED_ELSEWHERE.values() for test in tests}
    assert [test for test in named if not (ROOT / test).exists()] == []


def test_no_pattern_is_left_over() -> None:
    missing = [module for module in modules() if not mirror_of(module).exists()]
    assert [p for p in JUDGED_ELSEWHERE if not any(fnmatch(module, p) for module in missing)] == []


def test_every_unit_test_has_its_module() -> None:
    """A test of a module that was moved or removed moves or goes with it; tests of routes name behaviours."""
    tests = [path.relative_to(ROOT / "tests" / "unit") for path in (ROOT / "tests" / "unit").rglob("test_*.py")]
    orphans = [
        path.as_posix()
        for path in tests
        if not (ROOT / path.parent / path.name.removeprefix("test_")).exists() and path.as_posix() not in BEHAVIOURS
    ]
    assert orphans == []


BEHAVIOURS = {
    "api/routes/test_declarations.py",  # every route declares its permission
    "api/routes/test_import.py",  # api/camera_import through its route
    "api/routes/test_limits.py",  # api/control/limits through the routes
    "streams/simulator/test_splice.py",  # splice_h264 and splice_h265 alike
    "streams/webrtc/test_repair.py",  # loss, NACK and retransmission together, over a bad link in simulated time
    "streams/webrtc/test_private_names.py",  # the private names of aiortc, aioice and pylibsrtp we rely on
}

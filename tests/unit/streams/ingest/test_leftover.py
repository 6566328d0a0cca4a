"""Left sessions survive the process that opened them."""

from pathlib import Path

import pytest

from media.base.ids import Quality, SourceId, StreamKey
from streams.ingest.leftover import FileSessionStore, LeftSession, MemorySessionStore

KEY = StreamKey(SourceId("camera/a"), Quality.SUB)
LEFT = LeftSession("4711", "rtsp://10.0.0.1/live")


def test_memory_remembers_and_forgets() -> None:
    store = MemorySessionStore()
    store.save(KEY, LEFT)
    assert store.load(KEY) == LEFT
    store.forget(KEY)
    store.forget(KEY)
    assert store.load(KEY) is None


async def test_a_file_remembers_across_a_restart(tmp_path: Path) -> None:
    store = FileSessionStore(tmp_path / "sessions.json")
    store.save(KEY, LEFT)
    store.save(StreamKey(SourceId("camera/b")), LEFT)
    store.forget(StreamKey(SourceId("camera/b")))
    await store.aclose()
    again = FileSessionStore(tmp_path / "sessions.json")
    assert again.load(KEY) == LEFT
    assert again.load(StreamKey(SourceId("camera/b"))) is None
    await again.aclose()


@pytest.mark.parametrize("text", ["", "[]", "nonsense", '{"camera/a:sub": 5}', '{"camera/a:sub": {"session_id": "1"}}'])
async def test_a_broken_file_is_an_empty_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sessions.json"
    path.write_text(text)
    store = FileSessionStore(path)
    assert store.load(KEY) is None
    await store.aclose()


async def test_a_folder_that_cannot_be_written_does_no_harm(tmp_path: Path) -> None:
    store = FileSessionStore(tmp_path / "gone" / "sessions.json")
    store.save(KEY, LEFT)
    await store.aclose()
    assert store.load(KEY) == LEFT

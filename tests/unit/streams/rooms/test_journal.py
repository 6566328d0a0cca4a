"""The history of a room on disk, torn, refused, slow."""

import asyncio
import errno
import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.rooms import journal as journal_module
from streams.rooms.commands import parse
from streams.rooms.journal import Journal, JournalEntry, entry_of, load
from streams.rooms.machine import replay
from tests.unit.streams.rooms.meeting import START_US, usual


def entry(seq, action="lock", by="system", **body):
    return JournalEntry(seq, START_US + seq, parse(action, by, body))


def meeting_of(count):
    names = [entry(1, "open", room_id="r", name="会")]
    return names + [entry(seq, "lock" if seq % 2 else "unlock") for seq in range(2, count + 1)]


@pytest.fixture
def executor():
    with ThreadPoolExecutor(1) as made:
        yield made


async def test_what_was_written_is_read_again(tmp_path, executor) -> None:
    path = tmp_path / "r.jsonl"
    entries = meeting_of(9)
    journal = Journal(path, executor)
    await journal.append(entries[:4])
    await journal.append(entries[4:])
    assert list(load(path).entries) == entries
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(journal) == 9


async def test_a_journal_goes_on_where_a_former_one_ended(tmp_path, executor) -> None:
    path = tmp_path / "r.jsonl"
    entries = meeting_of(6)
    await Journal(path, executor).append(entries[:3])
    journal = Journal(path, executor, load(path).ends)
    await journal.append(entries[3:])
    assert list(load(path).entries) == entries
    assert [item["seq"] for item in await journal.read(2)] == [3, 4, 5, 6]


@given(st.integers(0, 2000))
def test_a_write_cut_anywhere_leaves_a_whole_prefix(cut: int) -> None:
    entries = meeting_of(8)
    lines = [each.as_line() for each in entries]
    whole = b"".join(lines)
    kept = whole[: min(cut, len(whole))]
    with pytest.MonkeyPatch.context() as patch:
        written = {}
        patch.setattr(journal_module.os, "truncate", lambda path, size: written.update(size=size))
        history = load(_Bytes(kept))
    count = sum(1 for end in range(1, 9) if sum(map(len, lines[:end])) <= len(kept))
    assert list(history.entries) == entries[:count]
    assert written.get("size", len(kept)) == sum(map(len, lines[:count]))


class _Bytes:
    """A path that holds bytes, as far as `load` looks."""

    stem = "r"

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read_bytes(self) -> bytes:
        return self._data

    def with_suffix(self, _suffix: str) -> "_Bytes":
        return self

    def open(self, _mode: str):
        return open(os.devnull, "wb")  # noqa: PTH123


def test_what_is_cut_off_is_kept_beside_and_the_file_goes_on(tmp_path) -> None:
    path = tmp_path / "r.jsonl"
    entries = meeting_of(3)
    path.write_bytes(b"".join(each.as_line() for each in entries) + b'{"seq":4,"at_wa')
    assert list(load(path).entries) == entries
    assert path.read_bytes().endswith(b"}\n")
    assert path.with_suffix(".torn").read_bytes() == b'{"seq":4,"at_wa'


def test_a_hole_in_the_numbers_ends_the_history(tmp_path) -> None:
    path = tmp_path / "r.jsonl"
    entries = meeting_of(5)
    path.write_bytes(b"".join(each.as_line() for each in (*entries[:2], *entries[3:])))
    assert len(load(path).entries) == 2


@pytest.mark.parametrize(
    "line",
    [b"", b"null", b"[]", b"{}", b'{"seq":1}', b'"x"', b"\xff\xfe", b'{"seq":1,"at_wall_us":1,"kind":"dance","by":"x","data":{}}',
     b'{"seq":1,"at_wall_us":1,"kind":"mute","by":"x","data":[]}', b'{"seq":"x","at_wall_us":1,"kind":"lock","by":"x","data":{}}'],
)  # fmt: skip
def test_nonsense_is_no_entry(line: bytes) -> None:
    assert entry_of(line) is None


async def test_a_full_disk_stops_no_meeting_and_leaves_no_hole(tmp_path, executor, monkeypatch) -> None:
    path = tmp_path / "r.jsonl"
    entries = meeting_of(6)
    journal = Journal(path, executor)
    await journal.append(entries[:2])
    real_write = os.write

    def full(descriptor: int, data: memoryview) -> int:
        if len(data) > 10:
            return real_write(descriptor, data[:10])
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(journal_module.os, "write", full)
    await journal.append(entries[2:3])
    await journal.append(entries[3:4])
    assert journal.failures == 2
    assert list(load(path).entries) == entries[:2], "nothing of a torn write stays"
    monkeypatch.setattr(journal_module.os, "write", real_write)
    await journal.append(entries[4:])
    assert list(load(path).entries) == entries, "what waited comes first"
    assert [item["seq"] for item in await journal.read(0)] == [1, 2, 3, 4, 5, 6]


async def test_a_disk_that_stays_full_ends_the_journal_at_its_bound(tmp_path, executor, monkeypatch) -> None:
    monkeypatch.setattr(journal_module, "LIMIT_BYTES", 100)
    journal = Journal(tmp_path / "no-such-folder" / "r.jsonl", executor)
    entries = meeting_of(5)
    await journal.append(entries[:2])
    await journal.append(entries[2:])
    (tmp_path / "no-such-folder").mkdir()
    await journal.append([entry(6)])
    assert not (tmp_path / "no-such-folder" / "r.jsonl").exists(), "a history with a hole would be a lie"


async def test_a_slow_disk_holds_a_meeting_for_a_while_only(tmp_path, executor, monkeypatch) -> None:
    monkeypatch.setattr(journal_module, "APPEND_WAIT_S", 0.01)
    path = tmp_path / "r.jsonl"
    go = asyncio.Event()
    loop = asyncio.get_running_loop()
    executor.submit(lambda: asyncio.run_coroutine_threadsafe(go.wait(), loop).result(10))
    journal = Journal(path, executor)
    entries = meeting_of(4)
    await journal.append(entries[:2])
    assert journal.failures == 1
    assert not path.exists()
    monkeypatch.setattr(journal_module, "APPEND_WAIT_S", 10)
    go.set()
    await journal.append(entries[2:])
    assert list(load(path).entries) == entries, "late, whole and in order"


async def test_reading_is_bounded_and_begins_anywhere(tmp_path, executor) -> None:
    journal = Journal(tmp_path / "r.jsonl", executor)
    await journal.append(meeting_of(10))
    assert [item["seq"] for item in await journal.read(3, 4)] == [4, 5, 6, 7]
    assert await journal.read(10) == []
    assert await journal.read(99) == []
    assert len(await journal.read(-5)) == 10


def test_a_line_says_who_did_what_when() -> None:
    line = json.loads(entry(7, "chat", "east", text="听到请回答").as_line())
    assert line == {"seq": 7, "at_wall_us": START_US + 7, "kind": "chat", "by": "east", "data": {"text": "听到请回答"}}


def test_a_journal_is_the_room() -> None:
    meeting = usual()
    assert replay([]) is None
    assert replay(meeting_of(4)).version == 4
    assert meeting.state.version == 6

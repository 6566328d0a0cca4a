"""Does the index say what the files say? And the repair when it does not.

Called by `xiangyun check [--repair]`. Reading only, `check` may run beside a hub at work; `repair` takes the volume's
writer lock and refuses while a hub holds it. Compares index with schema, rows with files, files with trailers and
seals with each other; with `deep` it reads every byte and compares its SHA-256 too.
"""

import hashlib
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from media.base.errors import HubError, RemoteProtocolError
from recorder.format import NO_SEAL, Trailer, seal_of
from recorder.index.migrate import INDEX_NAME, schema_objects
from recorder.index.queries import IndexQueries
from recorder.index.rows import SegmentRow, SegmentState, StreamRow
from recorder.rebuild import mend, rebuild
from recorder.recovery import segment_id_of
from recorder.store import open_segment, read_trailer, segment_files
from recorder.volume import Volume, open_volume, segment_path

_STEP_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: what kind, on which volume, where, and in words."""

    kind: str
    volume: str
    path: str
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found. `repaired` counts problems that `repair` removed."""

    problems: tuple[Problem, ...]
    segments: int
    repaired: int = 0

    @property
    def is_clean(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.problems


@dataclass(slots=True)
class _Tally:
    problems: list[Problem]
    segments: int = 0


def check(volumes: Sequence[Path], *, deep: bool = False) -> Report:
    """Compare index, files and schema of every volume; `deep` reads all footage (an hour per terabyte or more)."""
    tally = _Tally([])
    for root in volumes:
        tally.problems += _check_volume(root, tally, deep=deep)
    return Report(tuple(tally.problems), tally.segments)


def repair(volumes: Sequence[Path]) -> Report:
    """Mend every volume and check it again: crashed segments closed, unknown files taken in, lost ones forgotten.

    A damaged index is built anew from the files; the old one stays beside it. HubError CONFLICT `volume_busy` while a
    hub writes the volume. Damaged files are reported, never deleted.
    """
    before = check(volumes)
    for root in volumes:
        broken = {problem.kind for problem in before.problems if problem.volume == str(root)}
        if "volume" in broken:
            continue
        volume = open_volume(root, create=False)
        if broken & {"index", "schema"}:
            rebuild(volume)
        else:
            mend(volume)
    after = check(volumes)
    return replace(after, repaired=max(0, len(before.problems) - len(after.problems)))


def _check_volume(root: Path, tally: _Tally, *, deep: bool) -> Iterator[Problem]:
    try:
        volume = open_volume(root, create=False)
    except HubError as exc:
        yield Problem("volume", str(root), "", str(exc))
        return
    try:
        index = IndexQueries.open(volume.path(INDEX_NAME))
    except HubError as exc:
        yield Problem("index", str(root), INDEX_NAME, str(exc))
        return
    try:
        yield from (Problem("index", str(root), INDEX_NAME, text) for text in index.integrity_errors())
        yield from _check_schema(root, index)
        known: set[int] = set()
        for stream in index.streams():
            yield from _check_stream((volume, index, stream), tally, known, deep=deep)
        yield from _unknown_files(volume, index, known)
    except HubError as exc:
        yield Problem("index", str(root), INDEX_NAME, str(exc))
    finally:
        index.close()


def _check_schema(root: Path, index: IndexQueries) -> Iterator[Problem]:
    """Compare with a schema made this moment: a column added by hand is found, too."""
    fresh = set(schema_objects().values())
    found = set(index.schema_objects().values())
    for text in sorted(fresh - found):
        yield Problem("schema", str(root), INDEX_NAME, f"missing: {text[:80]}")
    for text in sorted(found - fresh):
        yield Problem("schema", str(root), INDEX_NAME, f"foreign: {text[:80]}")


def _check_stream(
    place: tuple[Volume, IndexQueries, StreamRow], tally: _Tally, known: set[int], *, deep: bool
) -> Iterator[Problem]:
    volume, index, stream = place
    root = str(volume.root)
    rows = index.all_segments(stream.id)
    name = f"{stream.camera_id}/{stream.quality}"
    for before, after in itertools.pairwise(rows):
        if before.end_us > after.start_us:
            yield Problem("overlap", root, name, f"segments {before.id} and {after.id} overlap")
    total = sum(row.file_bytes for row in rows)
    if total != stream.file_bytes:
        yield Problem("total", root, name, f"total is {stream.file_bytes}, segments add up to {total}")
    seals = {row.seal for row in rows} | {NO_SEAL}
    for row in rows:
        known.add(row.id)
        tally.segments += 1
        if row.state is SegmentState.OPEN:
            continue
        path = segment_path(stream.camera_id, stream.quality, row.opened_us, row.id)
        problem, trailer = _check_segment(volume, row, path, deep=deep)
        if problem is not None:
            yield Problem(problem[0], root, path, problem[1])
        is_chained = trailer is None or bytes.fromhex(trailer.facts.previous_seal) in seals
        if not is_chained and not stream.expired_us:  # after deletions the link before is rightly gone
            yield Problem("chain", root, path, "the segment it is chained to is not there")


def _check_segment(
    volume: Volume, row: SegmentRow, path: str, *, deep: bool
) -> tuple[tuple[str, str] | None, Trailer | None]:
    """Return what is wrong with one file (kind, detail), and its trailer if it has one."""
    try:
        fd = open_segment(volume, path)
    except HubError as exc:
        return ("missing", str(exc)), None
    try:
        size = os.fstat(fd).st_size
        if size != row.file_bytes:
            return ("size", f"file has {size} bytes, index says {row.file_bytes}"), None
        trailer = read_trailer(fd)
        if trailer is None:
            return (("trailer", "no trailer") if row.state is SegmentState.CLOSED else None), None
        return _check_trailer(fd, row, trailer, deep=deep), trailer
    except RemoteProtocolError as exc:
        return ("trailer", str(exc)), None
    finally:
        os.close(fd)


def _check_trailer(fd: int, row: SegmentRow, trailer: Trailer, *, deep: bool) -> tuple[str, str] | None:
    facts = trailer.facts
    if seal_of(facts, trailer.index) != trailer.seal:
        return "seal", "trailer was changed after it was sealed"
    if trailer.seal != row.seal:
        return "row", "index holds another seal"
    told = (facts.start_us, facts.wall_us, facts.media_ticks, facts.body_bytes, facts.init_bytes)
    if told != (row.start_us, row.wall_us, row.media_ticks, row.body_bytes, row.init_bytes):
        return "row", "index and trailer differ"
    if deep and _body_sha256(fd, facts.body_bytes) != facts.body_sha256:
        return "body", "footage was changed after it was recorded"
    return None


def _body_sha256(fd: int, body_bytes: int) -> str:
    digest = hashlib.sha256()
    for offset in range(0, body_bytes, _STEP_BYTES):
        digest.update(os.pread(fd, min(_STEP_BYTES, body_bytes - offset), offset))
    return digest.hexdigest()


def _unknown_files(volume: Volume, index: IndexQueries, known: set[int]) -> Iterator[Problem]:
    """Yield files no row tells of; a running writer may have added rows since, so the index is asked again."""
    for path in segment_files(volume):
        segment_id = segment_id_of(path)
        if segment_id not in known and not index.segments_by_id([segment_id]) and path not in index.garbage():
            yield Problem("unknown", str(volume.root), path, "the index does not know this file")

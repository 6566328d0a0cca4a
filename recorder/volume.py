"""A volume: a directory on a disk, its identity, its space, and where files lie in it.

Used by the writer thread, by replay and by `check`. The identity file tells a swapped or unmounted disk from the one
the index belongs to. All paths handed out are relative or derived from the root; nothing stores an absolute one.
Refuses a directory whose identity does not match its index.
"""

import errno
import json
import os
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from media.base.clock import utc_of_us
from media.base.errors import ErrorKind, HubError

IDENTITY_NAME = "xiangyun-volume.json"
FOOTAGE_DIR = "footage"
HOLDS_NAME = "holds.json"
_GIB = 1 << 30
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Space:
    """The room on the volume's file system, for an unprivileged writer, in bytes."""

    total_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Limits:
    """Below `floor_bytes` free, retention deletes early; below `stop_bytes`, recording stops before a write fails."""

    floor_bytes: int
    stop_bytes: int

    @classmethod
    def of(cls, total_bytes: int) -> "Limits":
        """Return the default limits of a file system: 5 % (at most 20 GiB) and 2 % (at most 1 GiB).

        What remains at the stop holds the trailers of open segments and the index's write-ahead log.
        """
        stop_bytes = max(min(total_bytes // 50, _GIB), min(32 * _MIB, total_bytes // 10))
        return cls(max(min(total_bytes // 20, 20 * _GIB), 2 * stop_bytes), stop_bytes)


@dataclass(frozen=True, slots=True)
class Volume:
    """An identified volume at `root`. `device` is the file system it was opened on; 0 when nobody looked."""

    root: Path
    uuid: str
    device: int = field(default=0, compare=False)

    def space(self) -> Space:
        """Return the file system's room; OSError when the disk is gone, ENODEV when it was unmounted or swapped."""
        if self.device and (self.root / IDENTITY_NAME).stat().st_dev != self.device:
            raise OSError(errno.ENODEV, "another file system is mounted here", str(self.root))
        stat = os.statvfs(self.root)
        return Space(stat.f_blocks * stat.f_frsize, stat.f_bavail * stat.f_frsize)

    def path(self, relative: str) -> Path:
        """Return the absolute path of a file of this volume."""
        return self.root / relative


def open_volume(root: Path, *, expected_uuid: str | None = None, create: bool = True) -> Volume:
    """Return the volume at `root`, giving it an identity when it is new.

    HubError UNAVAILABLE when it is absent and may not be created, CONFLICT `wrong_volume` when it is another one than
    `expected_uuid`, DATA_LOSS when its identity cannot be read or is missing beside existing footage.
    """
    identity = root / IDENTITY_NAME
    try:
        found = read_identity(identity)
        if found is None:
            if not create or expected_uuid is not None:
                raise HubError(ErrorKind.UNAVAILABLE, "no volume is mounted here", code="volume_unavailable")
            if (root / FOOTAGE_DIR).exists():
                raise HubError(ErrorKind.DATA_LOSS, "footage without an identity file", code="volume_damaged")
            found = _create(root, identity)
        device = identity.stat().st_dev
    except OSError as exc:
        raise HubError(ErrorKind.UNAVAILABLE, "volume cannot be opened", code="volume_unavailable") from exc
    if expected_uuid is not None and found != expected_uuid:
        raise HubError(ErrorKind.CONFLICT, "another disk is mounted here", code="wrong_volume", found=found)
    return Volume(root, found, device)


def read_identity(identity: Path) -> str | None:
    """Return the uuid in an identity file, None when there is none; HubError DATA_LOSS when damaged, OSError."""
    try:
        value = json.loads(identity.read_text(encoding="utf-8"))["uuid"]
        return uuid.UUID(value).hex
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise HubError(ErrorKind.DATA_LOSS, "identity file is damaged", code="volume_damaged") from exc


def _create(root: Path, identity: Path) -> str:
    root.mkdir(parents=True, exist_ok=True)
    value = uuid.uuid4().hex
    write_durably(identity, json.dumps({"uuid": value, "format": 1}).encode())
    (root / FOOTAGE_DIR).mkdir()
    return value


def write_durably(path: Path, data: bytes) -> None:
    """Replace `path` by `data` so that after a power cut it is either the old or the new file. Raises OSError."""
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    try:
        os.write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in `path` durable. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def stream_dir(camera_id: str, quality: str) -> str:
    """Return the relative directory of a stream's footage."""
    return f"{FOOTAGE_DIR}/{camera_id}/{quality}"


def segment_path(camera_id: str, quality: str, opened_us: int, segment_id: int) -> str:
    """Return the relative path of a segment, for instance `footage/gate-3/main/2026/11/22/080000-123.mp4` (UTC)."""
    moment = utc_of_us(opened_us)
    return f"{stream_dir(camera_id, quality)}/{moment:%Y/%m/%d/%H%M%S}-{segment_id}.mp4"

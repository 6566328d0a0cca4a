"""One segment file being written: whole fragments or nothing.

Owned by the writer thread of a volume. Every fragment is one `write`; after a short or failed write the file is cut
back to its last whole fragment. SHA-256 runs along with the bytes. `sync` is the only wait for the disk. Knows
nothing of the index.
"""

import errno
import hashlib
import os
from pathlib import Path

from recorder.format import SegmentFacts, seal_of, trailer_box
from recorder.volume import sync_directory


class SegmentFile:
    """An open segment file. Every method raises OSError when the disk refuses."""

    def __init__(self, path: Path, init: bytes, now_mono_ns: int) -> None:
        """Create `path`, which must not exist, and write `init` (ftyp, header, moov)."""
        self.path = path
        self.size_bytes = 0
        self.synced_mono_ns = now_mono_ns
        self._hash = hashlib.sha256()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        try:
            self._write(init)
            sync_directory(path.parent)
        except OSError:
            os.close(self._fd)
            path.unlink(missing_ok=True)
            raise
        self._hash.update(init)

    def append(self, fragment: bytes) -> int:
        """Write one whole fragment; return the file offset where it begins."""
        offset = self.size_bytes
        self._write(fragment)
        self._hash.update(fragment)
        return offset

    def _write(self, data: bytes) -> None:
        """Write all of `data` or nothing. A full disk first shows as a short count, not as an error."""
        try:
            written = os.pwrite(self._fd, data, self.size_bytes)  # a cut does not move the descriptor's own position
        except OSError:
            self._cut()
            raise
        if written != len(data):
            self._cut()
            raise OSError(errno.ENOSPC, "short write", str(self.path))
        self.size_bytes += written

    def _cut(self) -> None:
        os.ftruncate(self._fd, self.size_bytes)

    def body_sha256(self) -> str:
        """Return the digest of everything written so far, in hex."""
        return self._hash.hexdigest()

    def seal(self, facts: SegmentFacts, index: bytes) -> bytes:
        """Write the trailer, make the file durable and close it; return its seal. Only after `facts` are final.

        When the trailer cannot be written the body stays, without trailer, and the file is closed all the same.
        """
        try:
            trailer = trailer_box(facts, index)
            self._write(trailer)
            os.fdatasync(self._fd)
        finally:
            self.close()
        return seal_of(facts, index)

    def sync(self, now_mono_ns: int) -> None:
        """Make what is written survive a power cut."""
        self.synced_mono_ns = now_mono_ns
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Close without a trailer. Idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

"""Which volume belongs at which path: remembered by the hub, not by the disk.

Asked and told by the writer thread when it opens a volume; changed deliberately by `xiangyun check --accept-volume`.
Without it the empty directory below a mount point would pass for a new volume, and footage would fill the system
disk. One small JSON file per path in the data directory, so that several workers never write the same file.
"""

import hashlib
import json
from pathlib import Path

import structlog

from recorder.volume import IDENTITY_NAME, Volume, read_identity, write_durably

log = structlog.get_logger(__name__)


class IdentityBook:
    """The remembered identities, in `directory`."""

    def __init__(self, directory: Path) -> None:
        """Use `directory`, which is made when the first volume is noted."""
        self._directory = directory

    def _page(self, root: Path) -> Path:
        return self._directory / f"{hashlib.sha256(str(root).encode()).hexdigest()[:16]}.json"

    def expected(self, root: Path) -> str | None:
        """Return the uuid of the volume that belongs at `root`; None when any may. OSError when it cannot be read."""
        try:
            value = json.loads(self._page(root).read_text(encoding="utf-8"))["uuid"]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            log.warning(
                "the note of a volume's identity is damaged and counts as none", root=str(root), error=str(error)
            )
            return None
        return str(value)

    def note(self, volume: Volume) -> None:
        """Remember that `volume` belongs where it is; writes only what is new. OSError when it cannot be written."""
        if self.expected(volume.root) == volume.uuid:
            return
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = json.dumps({"path": str(volume.root), "uuid": volume.uuid}, ensure_ascii=False)
        write_durably(self._page(volume.root), text.encode())

    def accept(self, root: Path) -> str | None:
        """Let what is at `root` now belong there: return its uuid, or None when the next writer is to make it a volume.

        HubError DATA_LOSS when it has an identity that cannot be read, OSError when the disk does not answer.
        """
        found = read_identity(root / IDENTITY_NAME)
        if found is None:
            self._page(root).unlink(missing_ok=True)
        else:
            self.note(Volume(root, found))
        return found

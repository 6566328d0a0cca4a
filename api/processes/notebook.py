"""What a worker writes down so that it can go on alone: its last desired cameras and its last epoch.

One small JSON file per slot in `<data_dir>/workers`, mode 0600, replaced whole. A worker that starts while Redis is
away begins from it, so that recording survives the loss of everything else. Source URLs in it are sealed. Written
from an executor thread; read once at start.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog

from api.state import CameraDesired

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Notes:
    """What was written down last."""

    epoch: int = 0
    cameras: tuple[CameraDesired, ...] = ()


class Notebook:
    """The file of one slot."""

    def __init__(self, directory: Path, slot: int) -> None:
        """Use `worker-<slot>.json` in `directory`."""
        self._path = directory / f"worker-{slot}.json"

    def read(self) -> Notes:
        """Return the last notes; empty ones when there are none or they cannot be read (logged)."""
        try:
            value = json.loads(self._path.read_text(encoding="utf-8"))
            parsed = (CameraDesired.from_json(json.dumps(item)) for item in value["cameras"])
            return Notes(int(value["epoch"]), tuple(camera for camera in parsed if camera is not None))
        except FileNotFoundError:
            return Notes()
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("notes of the last run cannot be read", path=str(self._path), error=str(error))
            return Notes()

    def write(self, epoch: int, cameras: Iterable[CameraDesired]) -> None:
        """Replace the notes; OSError when the disk refuses."""
        value = {"epoch": epoch, "cameras": [json.loads(camera.to_json()) for camera in cameras]}
        fresh = self._path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(value, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)

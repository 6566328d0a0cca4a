"""Which worker writes which volume: one writer per volume, always.

Slot 0 writes the configured directories themselves, slot N a directory `slot-N` inside each, so that raising the
number of workers moves nothing. When the number is lowered, slot 0 takes over what the retired slots left, so that
their footage still ages. Replay and `check` see them all.
"""

import re
from pathlib import Path

from api.settings import Settings

_SLOT = re.compile(r"slot-([1-9][0-9]?)")


def volumes_of_slot(settings: Settings, number: int) -> list[Path]:
    """Return the volumes the worker in slot `number` writes."""
    if number > 0:
        return [root / f"slot-{number}" for root in settings.recording_volumes]
    retired = [path for path in _slot_directories(settings) if _number(path) >= settings.workers]
    return [*settings.recording_volumes, *retired]


def all_volumes(settings: Settings) -> list[Path]:
    """Return every volume of this machine, those of retired slots included."""
    live = [path for number in range(settings.workers) for path in volumes_of_slot(settings, number)]
    return list(dict.fromkeys([*live, *_slot_directories(settings)]))


def _slot_directories(settings: Settings) -> list[Path]:
    found = [path for root in settings.recording_volumes if root.is_dir() for path in root.iterdir()]
    return sorted(path for path in found if path.is_dir() and _SLOT.fullmatch(path.name))


def _number(path: Path) -> int:
    match = _SLOT.fullmatch(path.name)
    return int(match.group(1)) if match else 0

"""`xiangyun check` over every volume of this machine: what is wrong, what was mended, which disk is accepted.

Called by the command line, beside a running hub or without one. The work is `recorder.check`'s and
`recorder.identities`'s; here it learns where the volumes are and which slots write on one disk.
"""

from dataclasses import replace
from pathlib import Path

from api.processes.volumes import all_volumes
from api.settings import Settings
from media.base.errors import ErrorKind, HubError
from recorder.check import Problem, Report, check, repair
from recorder.identities import IdentityBook
from recorder.volume import open_volume


def identity_book(settings: Settings) -> IdentityBook:
    """Return the book in which this hub keeps which volume belongs where."""
    return IdentityBook(settings.data_dir / "volumes")


def look_at_footage(settings: Settings, *, is_repair: bool, is_deep: bool) -> tuple[Report, int]:
    """Check every volume, or repair it, and return the report and the number of volumes.

    A volume that is not the one this hub recorded on is a problem. HubError NOT_FOUND when there is no footage at all,
    CONFLICT `volume_busy` for a repair beside a running hub.
    """
    volumes = [path for path in all_volumes(settings) if path.exists()]
    if not volumes:
        message = f"there is no footage in {settings.data_dir}: give the data directory with --data-dir"
        raise HubError(ErrorKind.NOT_FOUND, message, code="no_footage")
    report = repair(volumes) if is_repair else check(volumes, deep=is_deep)
    strange = tuple(_strange(identity_book(settings), volumes))
    return replace(report, problems=report.problems + strange), len(volumes)


def _strange(book: IdentityBook, volumes: list[Path]) -> list[Problem]:
    found = []
    for root in volumes:
        expected = book.expected(root)
        try:
            is_strange = expected is not None and open_volume(root, create=False).uuid != expected
        except HubError:
            continue  # told by the check itself
        if is_strange:
            cure = f"another disk than the one recorded on; to use it: xiangyun check --accept-volume {root}"
            found.append(Problem("identity", str(root), "", cure))
    return found


def accept_volume(settings: Settings, path: Path) -> list[str]:
    """Let the disk at `path` be recorded on from now on, for every worker that writes there; return what to print.

    A running hub takes it up within 10 s. HubError INVALID when `path` is no volume of these settings.
    """
    root = path.expanduser().resolve()
    if root not in settings.recording_volumes:
        known = ", ".join(map(str, settings.recording_volumes))
        raise HubError(ErrorKind.INVALID, f"{root} is not one of the volumes: {known}", code="unknown_volume")
    if not root.is_dir():
        raise HubError(ErrorKind.INVALID, f"{root} is not a directory: mount the disk first", code="unknown_volume")
    book = identity_book(settings)
    lines = []
    for place in (place for place in all_volumes(settings) if root in (place, place.parent)):
        found = book.accept(place)
        lines.append(f"{place}: {'volume ' + found if found else 'becomes a new volume when recording begins'}")
    return lines

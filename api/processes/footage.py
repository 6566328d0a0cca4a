"""`xiangyun check` over every volume of this machine, in lines for people.

Called by the command line, beside a running hub or without one. The work is `recorder.check`; here it learns where
the volumes are and how to say what it found. A volume that nothing was ever recorded on counts as good.
"""

from dataclasses import dataclass

from api.processes.volumes import all_volumes
from api.settings import Settings
from recorder.check import Report, check, repair
from recorder.volume import IDENTITY_NAME


@dataclass(frozen=True, slots=True)
class Findings:
    """What to print, and whether all is well."""

    lines: tuple[str, ...]
    is_good: bool


def check_volumes(settings: Settings, *, is_repair: bool) -> Findings:
    """Check every volume, repairing first when asked; HubError CONFLICT `volume_busy` for a repair beside a hub."""
    volumes = [root for root in all_volumes(settings) if (root / IDENTITY_NAME).exists()]
    report = repair(volumes) if is_repair else check(volumes)
    return Findings(tuple(_lines(report, len(volumes))), report.is_clean)


def _lines(report: Report, volumes: int) -> list[str]:
    lines = [f"{item.volume}: {item.kind}: {item.path}: {item.detail}" for item in report.problems]
    repaired = f", {report.repaired} repaired" if report.repaired else ""
    wrong = "nothing is wrong" if report.is_clean else f"{len(report.problems)} problems"
    return [*lines, f"{volumes} volumes, {report.segments} segments: {wrong}{repaired}"]

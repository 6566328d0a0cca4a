"""Many cameras from one file: each row is a camera or says why not; one bad row does not hurt the others.

Called by `routes.camera_import`. Rows are checked by the same schema and the same services as single requests, and
written in batches, so that other writers get their turn.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from api.auth.actor import Actor, Target
from api.camera_import.apart import read_apart
from api.camera_import.sheet import HEADINGS, SheetRow
from api.context import ApiContext
from api.db import audit, cameras
from api.db.engine import Connection
from api.http.errors import printable
from api.messages import sentence
from api.schemas.cameras import CameraCreate, ImportReport, ImportRow, new_camera
from api.services.cameras import NewCamera, announce, check_place, check_urls, created_entry, row_values
from media.base.errors import ErrorKind, HubError
from media.base.ids import new_id

BATCH = 200
CHECKS_AT_ONCE = 16
_TRUE = frozenset({"1", "true", "yes", "y", "是", "启用"})
_FALSE = frozenset({"0", "false", "no", "n", "否", "停用"})


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A row that could be a camera."""

    number: int
    camera_id: str
    camera: NewCamera


@dataclass(frozen=True, slots=True)
class Importer:
    """One import: who, in which language the report is."""

    ctx: ApiContext
    actor: Actor
    locale: str

    async def run(self, content: bytes) -> ImportReport:
        """Import the file and return the report; HubError INVALID when it is no such file."""
        sheet = tuple(SheetRow(number, cells) for number, cells in await read_apart(content))
        report: dict[int, ImportRow] = {}
        wanted = list(self._parsed(sheet, report))
        wanted = await self._with_good_urls(wanted, report)
        for start in range(0, len(wanted), BATCH):
            await self._write(wanted[start : start + BATCH], report)
        rows = [report[row.number] for row in sheet]
        created = sum(row.state == "created" for row in rows)
        async with self.ctx.db.write() as connection:
            entry = self.actor.entry(
                self.ctx.clock.wall_us(),
                "camera.import",
                Target("camera", ""),
                created=created,
                rejected=len(rows) - created,
            )
            await audit.append(connection, entry)
        return ImportReport(created=created, rejected=len(rows) - created, rows=rows)

    def _parsed(self, sheet: Sequence[SheetRow], report: dict[int, ImportRow]) -> Iterator[_Wanted]:
        seen: set[str] = set()
        for row in sheet:
            try:
                wanted = _wanted(row, seen)
            except ValidationError as error:
                report[row.number] = self._rejected(row.number, row.cells, "invalid_body", self._fault(error))
            except HubError as error:
                report[row.number] = self._refused(row.number, row.cells, error)
            else:
                yield wanted

    async def _with_good_urls(self, wanted: Sequence[_Wanted], report: dict[int, ImportRow]) -> list[_Wanted]:
        turn = asyncio.Semaphore(CHECKS_AT_ONCE)

        async def check(row: _Wanted) -> bool:
            async with turn:
                try:
                    await check_urls(self.ctx, row.camera)
                except HubError as error:
                    report[row.number] = self._refused(row.number, _cells(row), error)
                    return False
            return True

        good = await asyncio.gather(*(check(row) for row in wanted))
        return [row for row, is_good in zip(wanted, good, strict=True) if is_good]

    async def _write(self, batch: Sequence[_Wanted], report: dict[int, ImportRow]) -> None:
        """Write a batch together; a row that cannot be is left out before anything is written."""
        async with self.ctx.db.write() as connection:
            good = await self._without_taken(connection, batch, report)
            for row in good:
                await cameras.add(connection, row_values(self.ctx, row.camera, row.camera_id))
            made = await cameras.some(connection, [row.camera_id for row in good])
            await audit.append(connection, *(created_entry(self.ctx, self.actor, camera) for camera in made))
        for camera in made:
            await announce(self.ctx, camera)
        for row in good:
            report[row.number] = ImportRow(row=row.number, id=row.camera_id, name=row.camera.name, state="created")

    async def _without_taken(
        self, connection: Connection, batch: Sequence[_Wanted], report: dict[int, ImportRow]
    ) -> list[_Wanted]:
        codes = [code for row in batch if (code := row.camera.details.gb_code)]
        ids, taken_codes = await cameras.taken(connection, [row.camera_id for row in batch], codes)
        good: list[_Wanted] = []
        for row in batch:
            code = row.camera.details.gb_code
            try:
                _refuse_taken(row.camera_id in ids, code in taken_codes)
                await check_place(connection, self.actor, row.camera.org_id)
            except HubError as error:
                report[row.number] = self._refused(row.number, _cells(row), error)
                continue
            if code:
                taken_codes.add(code)
            good.append(row)
        return good

    def _fault(self, error: ValidationError) -> str:
        """Say which column of a row is wrong, by the name the template gives it."""
        first = error.errors(include_input=False)[0]
        field = str(first["loc"][-1]) if first["loc"] else ""
        if self.locale == "zh-CN":
            heading = next((name for name in HEADINGS.get(field, ()) if not name.isascii()), field)
            return f"“{heading}”填写有误。"
        return f"{field}: {first['msg']}"

    def _refused(self, number: int, cells: dict[str, str], error: HubError) -> ImportRow:
        return self._rejected(number, cells, error.code, sentence(error.code, error.kind, self.locale))

    def _rejected(self, number: int, cells: dict[str, str], code: str, message: str) -> ImportRow:
        return ImportRow(
            row=number,
            id=printable(cells["id"], 64) if "id" in cells else None,
            name=printable(cells["name"], 100) if "name" in cells else None,
            state="rejected",
            code=code,
            message=printable(message),
        )


def _wanted(row: SheetRow, seen: set[str]) -> _Wanted:
    """Return the row as a camera to be made, its id noted in `seen`."""
    camera = new_camera(CameraCreate.model_validate(_body_of(row.cells)))
    camera_id = camera.id or new_id("cam-")
    _refuse_taken(camera_id in seen, is_code_taken=False)
    seen.add(camera_id)
    return _Wanted(row.number, camera_id, camera)


def _refuse_taken(is_id_taken: bool, is_code_taken: bool) -> None:
    if is_id_taken:
        raise HubError(ErrorKind.CONFLICT, "the id is taken", code="duplicate_id")
    if is_code_taken:
        raise HubError(ErrorKind.CONFLICT, "the GB code is taken", code="duplicate_gb_code")


def _cells(row: _Wanted) -> dict[str, str]:
    return {"id": row.camera_id, "name": row.camera.name}


def _body_of(cells: dict[str, str]) -> dict[str, object]:
    """Return the cells of a row in the shape of a request to make a camera."""
    body: dict[str, object] = {key: text for key, text in cells.items() if key not in _NESTED}
    location = {key: cells[key] for key in ("address", "longitude", "latitude") if key in cells}
    recording = {key: cells[key] for key in ("mode", "retention_days") if key in cells}
    if location:
        body["location"] = location
    if recording:
        body["recording"] = recording
    if "enabled" in cells:
        body["enabled"] = _flag(cells["enabled"])
    return body


_NESTED = frozenset({"address", "longitude", "latitude", "mode", "retention_days", "enabled"})


def _flag(text: str) -> object:
    lowered = text.lower()
    return True if lowered in _TRUE else False if lowered in _FALSE else text

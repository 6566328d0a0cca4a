"""The record of a meeting: as JSON, and as a workbook to be filed."""

import asyncio
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Request, Response

from api.auth.verbs import Verb
from api.http.permission import Access, Scope, require
from api.messages import locale_of
from api.schemas.base import Id
from api.schemas.room_record import RoomRecord, record_out
from api.services import room_record, room_sheet

router = APIRouter(prefix="/rooms/{room_id}", tags=["rooms"])

RoomId = Annotated[Id, Path()]
Reader = Annotated[Access, Depends(require(Verb.ROOM_RECORD, Scope.SOMEWHERE))]
"""The service checks the place of the room."""


@router.get("/record")
@router.get("/record.json")
async def read_record(access: Reader, room_id: RoomId) -> RoomRecord:
    """Show who was there, what was answered and said, what was recorded and shown."""
    return record_out(await room_record.read(access.ctx, access.actor, room_id, "json"))


@router.get("/record.xlsx", response_class=Response)
async def download_record(access: Reader, request: Request, room_id: RoomId) -> Response:
    """Give the record as a workbook, in the language of the browser."""
    record = await room_record.read(access.ctx, access.actor, room_id, "xlsx")
    locale = locale_of(request.headers.get("accept-language", ""))
    content = await asyncio.to_thread(room_sheet.workbook, record, locale)
    name = quote(f"{record.view.room.name}.xlsx")
    headers = {"Content-Disposition": f"attachment; filename=\"record.xlsx\"; filename*=UTF-8''{name}"}
    return Response(content, media_type=room_sheet.XLSX, headers=headers)

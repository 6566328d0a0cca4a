"""Cameras by the hundred, and a look at one before it is made."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Request, UploadFile

from api.auth.verbs import Verb
from api.camera_import.importer import Importer
from api.camera_import.sheet import HEADINGS
from api.control.limits import PROBE
from api.http.permission import Access, Scope, require
from api.messages import locale_of, sentence
from api.schemas.cameras import ImportReport, ProbeRequest
from api.services import stills
from media.base.errors import ErrorKind

router = APIRouter(prefix="/cameras", tags=["cameras"])

Maker = Annotated[Access, Depends(require(Verb.CAMERA_MANAGE, Scope.SOMEWHERE))]


@router.post("/probe")
async def probe_source(access: Maker, request: Request, body: ProbeRequest) -> dict[str, Any]:
    """Connect to a source once and tell what it is; a camera that does not answer is `ok: false` with a code."""
    await access.control.limiter.take(PROBE, access.me.user_id)
    found = await stills.probe(access.ctx, access.actor, body.source_url, body.camera_id)
    if found.get("ok") is False:
        locale = locale_of(request.headers.get("accept-language", ""))
        found["message"] = sentence(str(found.get("code")), ErrorKind.UNAVAILABLE, locale)
    return found


@router.post("/import")
async def import_cameras(access: Maker, request: Request, file: Annotated[UploadFile, File()]) -> ImportReport:
    """Make cameras from a CSV or XLSX file; every row is reported on."""
    locale = locale_of(request.headers.get("accept-language", ""))
    return await Importer(access.ctx, access.actor, locale).run(await file.read())


@router.get("/import/headings")
async def list_headings(access: Maker) -> dict[str, list[str]]:
    """List the headings the import knows, by field."""
    del access
    return {field: list(headings) for field, headings in HEADINGS.items()}

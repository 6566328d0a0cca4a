"""What a browser loads: the console with its fall-back for deep links, and the API's documentation, offline.

Static files are opened only below their own folder. Declared public: the console asks for a log-in itself.
"""

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from swagger_ui_bundle import swagger_ui_path

from api.http.permission import Public
from media.base.errors import ErrorKind, HubError

docs_router = APIRouter(include_in_schema=False)
console_router = APIRouter(include_in_schema=False)

NOT_BUILT = "The console has not been built yet (make web). 控制台尚未构建(make web)。 API: /docs\n"
_DOCS_FILES = frozenset({"swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"})
_DOCS_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Xiangyun API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css"><link rel="icon" href="/docs/favicon-32x32.png"></head>
<body><div id="ui"></div><script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body></html>
"""
_DOCS_START = 'SwaggerUIBundle({url: "/openapi.json", dom_id: "#ui", deepLinking: true, validatorUrl: null});\n'
_FOR_EVER = "public, max-age=31536000, immutable"


@docs_router.get("/openapi.json")
async def openapi(access: Public, request: Request) -> JSONResponse:
    """Give the OpenAPI document."""
    del access
    return JSONResponse(request.app.openapi())


@docs_router.get("/docs")
async def docs(access: Public) -> HTMLResponse:
    """Show the documentation."""
    del access
    return HTMLResponse(_DOCS_PAGE)


@docs_router.get("/docs/start.js")
async def docs_start(access: Public) -> Response:
    """Start the documentation's program; inline scripts are forbidden by our own policy."""
    del access
    return Response(_DOCS_START, media_type="text/javascript")


@docs_router.get("/docs/{name}")
async def docs_file(access: Public, name: str) -> FileResponse:
    """Give one file of the documentation's program."""
    del access
    if name not in _DOCS_FILES:
        raise HubError(ErrorKind.NOT_FOUND, "no such file", code="not_found")
    return FileResponse(Path(str(swagger_ui_path)) / name)


@console_router.api_route("/{path:path}", methods=["GET", "HEAD"])
async def console(access: Public, path: str) -> Response:
    """Give a file of the console, or its page for every deep link."""
    if path == "api" or path.startswith("api/"):
        raise HubError(ErrorKind.NOT_FOUND, "no such call", code="not_found")
    folder = access.ctx.options.console_dir
    found = _file_below(folder, path)
    if found is not None:
        is_hashed = path.startswith("assets/")
        return FileResponse(found, headers={"Cache-Control": _FOR_EVER if is_hashed else "no-cache"})
    if "." in path.rpartition("/")[2]:
        raise HubError(ErrorKind.NOT_FOUND, "no such file", code="not_found")
    page = folder / "index.html"
    if page.is_file():
        return FileResponse(page, headers={"Cache-Control": "no-cache"})
    return PlainTextResponse(NOT_BUILT)


def _file_below(folder: Path, path: str) -> Path | None:
    """Return the file, or None when there is none or the path leads out of the folder."""
    if not path or len(path) > 1000:
        return None
    try:
        found = (folder / path).resolve()
        is_inside = found.is_relative_to(folder.resolve()) and found.is_file()
    except (OSError, ValueError):
        return None
    return found if is_inside else None

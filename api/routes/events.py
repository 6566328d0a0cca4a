"""Events as they happen (SSE). A browser reads it with `fetch`, because an EventSource cannot send a token."""

from fastapi import APIRouter
from starlette.responses import StreamingResponse

from api.http.permission import LoggedIn

router = APIRouter(tags=["events"])


@router.get("/events", response_class=StreamingResponse)
async def stream_events(access: LoggedIn) -> StreamingResponse:
    """Stream `camera.status`, `recording.alarm`, `session.revoked`, `room_changed`, calls, `resync` and `ping`."""
    access.control.events.check_room(access.me)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(access.control.events.stream(access.me), media_type="text/event-stream", headers=headers)

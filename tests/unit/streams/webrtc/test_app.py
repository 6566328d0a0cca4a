"""The private routes: status, headers and the errors that the mounting app maps."""

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from media.base.clock import SystemClock
from media.base.errors import HubError
from media.base.ids import CameraId, Quality, StreamKey, camera_source
from media.packet import Codec, CodecParams, Track
from streams.hub import Hub
from streams.plane import Plane
from streams.webrtc.app import make_router
from streams.webrtc.camera_source import CameraSources
from streams.webrtc.engine import EngineSettings, WebRtcEngine
from streams.webrtc.whep import WhepEndpoint
from tests.unit.streams.webrtc.plane import H264
from tests.unit.streams.webrtc.test_offer import AUDIO, HEAD, VIDEO

OFFER = HEAD + VIDEO + AUDIO
WHO = {"X-Xiangyun-User": "u1", "X-Xiangyun-Session": "s1"}


@pytest.fixture
async def served():
    hub = Hub()
    settings = EngineSettings(
        host="127.0.0.1", public_addresses=("127.0.0.1",), turn_urls=("turn:t.example",), turn_secret="x"
    )
    ends = []
    engine = WebRtcEngine(settings, SystemClock())
    plane = Plane("w1", CameraSources(hub, engine, linger_s=0), None, linger_s=0)
    endpoint = WhepEndpoint(engine, plane, lambda *end: ends.append(end[:4]))
    await engine.start()
    app = FastAPI()
    app.include_router(make_router(endpoint))

    @app.exception_handler(HubError)
    async def problem(_: Request, error: HubError) -> JSONResponse:
        return JSONResponse(
            {"code": error.code}, {"invalid": 400, "not_found": 404, "unavailable": 503, "conflict": 409}[error.kind]
        )

    key = StreamKey(camera_source(CameraId("gate")), Quality.SUB)
    hub.stream(key).begin([Track(0, H264), Track(1, CodecParams(codec=Codec.AAC, clock_rate_hz=16_000))])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://worker") as http:
        http.ends = ends
        http.hub = hub
        yield http
    await endpoint.aclose()
    plane.close()
    await engine.aclose()


async def test_a_session_is_created_listed_trickled_to_and_deleted(served):
    answer = await served.post("/whep/gate?stream=sub", content=OFFER, headers=WHO)
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/sdp"
    assert answer.headers["location"] == "/whep/sessions/s1"
    assert answer.headers["x-xiangyun-audio"] == "aac-later"
    assert '<turn:t.example>; rel="ice-server"' in answer.headers["link"]
    assert answer.text.startswith("v=0\r\n")
    listed = (await served.get("/whep/sessions")).json()
    assert [(item["session_id"], item["state"]) for item in listed["items"]] == [("s1", "connecting")]
    fragment = "a=ice-ufrag:abcd\r\na=candidate:1 1 udp 5 127.0.0.1 9 typ host\r\n"
    assert (await served.patch("/whep/sessions/s1", content=fragment)).status_code == 204
    restart = await served.patch("/whep/sessions/s1", content=fragment.replace("abcd", "efgh"))
    assert (restart.status_code, restart.json()["code"]) == (409, "ice_restart_unsupported")
    assert (await served.delete("/whep/sessions/s1")).status_code == 204
    again = await served.delete("/whep/sessions/s1")
    assert (again.status_code, again.json()["code"]) == (404, "session_not_found")
    assert served.ends == [("s1", "u1", "gate", "deleted")]


async def test_revocation_by_user_and_by_session(served):
    for number, user in enumerate(("a", "a", "b", "c")):
        headers = {"X-Xiangyun-User": user, "X-Xiangyun-Session": f"s{number}"}
        assert (await served.post("/whep/gate?stream=sub", content=OFFER, headers=headers)).status_code == 201
    assert (await served.post("/whep/revoke", json={"user_id": "a"})).json() == {"ended": 2}
    assert (await served.post("/whep/revoke", json={"session_ids": ["s2", "s9"]})).json() == {"ended": 1}
    assert {end[3] for end in served.ends} == {"revoked"}
    assert [item["session_id"] for item in (await served.get("/whep/sessions")).json()["items"]] == ["s3"]


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "code"),
    [
        ("/whep/gate?stream=sub", "nonsense", WHO, 400, "bad_sdp"),
        ("/whep/gate?stream=sub", b"\xff\xfe", WHO, 400, "bad_sdp"),
        ("/whep/gate?stream=sub", "v" * 70_000, WHO, 400, "bad_sdp"),
        ("/whep/gate?stream=sub", OFFER.replace("H264", "AV1"), WHO, 409, "codec_unsupported"),
        ("/whep/gate", OFFER, WHO, 503, "camera_offline"),
        ("/whep/nobody?stream=sub", OFFER, WHO, 503, "camera_offline"),
        ("/whep/NO..SUCH?stream=sub", OFFER, WHO, 400, "invalid_id"),
        ("/whep/gate?stream=sub", OFFER, {**WHO, "X-Xiangyun-Session": "../x"}, 400, "invalid_id"),
    ],
)
async def test_bad_requests_get_their_code_and_leave_no_session(served, path, body, headers, status, code):
    answer = await served.post(path, content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await served.get("/whep/sessions")).json()["items"] == []
    assert all(stream.reader_count == 0 for stream in served.hub.streams())


async def test_a_stream_that_is_neither_main_nor_sub_or_a_missing_header_is_refused(served):
    assert (await served.post("/whep/gate?stream=third", content=OFFER, headers=WHO)).status_code == 422
    assert (await served.post("/whep/gate?stream=sub", content=OFFER)).status_code == 422

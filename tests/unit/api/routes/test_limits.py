"""Limits per account and per address, sizes, and bytes that are no text."""

import asyncio

import pytest

from api.control.limits import ACCOUNT, ANONYMOUS
from api.http import middleware
from media.base.errors import ErrorKind, HubError
from tests.fakes.control import Person, Plane


async def test_one_client_asking_too_much_is_told_when_to_come_back(plane: Plane, admin: Person) -> None:
    plane.state.is_limiting = True
    plane.state.buckets["account:admin"] = 3
    answers = [await admin.get("/auth/me") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[-1].json()["code"] == "rate_limited"
    assert int(answers[-1].headers["retry-after"]) >= 1


async def test_a_neighbour_behind_the_same_address_is_not_limited(plane: Plane, admin: Person) -> None:
    await admin.made("/users", {"id": "li", "username": "li", "password": "Village-watch-3", "roles": ["viewer"]})
    li = await plane.log_in("li", "Village-watch-3")
    plane.state.is_limiting = True
    plane.state.buckets["account:admin"] = 0
    assert (await admin.get("/auth/me")).status_code == 429
    assert (await li.get("/auth/me")).status_code == 200


async def test_ten_thousand_a_minute_is_more_than_anybody_gets() -> None:
    for limit in (ACCOUNT, ANONYMOUS):
        assert limit.burst + limit.rate_per_s * 60 < 10_000


async def test_limits_go_on_while_the_shared_state_is_away(plane: Plane, admin: Person) -> None:
    plane.state.is_down = True
    answers = [await plane.client.get("/api/v1/setup") for _ in range(ANONYMOUS.burst + 5)]
    assert answers[0].status_code == 200
    assert answers[-1].status_code == 429
    plane.clock.advance(1)
    assert (await plane.client.get("/api/v1/setup")).status_code == 200
    plane.state.is_down = False


async def test_bodies_are_bounded_announced_or_not(plane: Plane, admin: Person) -> None:
    announced = await admin.call("POST", "/cameras", content=b"x" * 1_000_001)
    assert (announced.status_code, announced.json()["code"]) == (413, "body_too_large")

    async def pieces() -> object:
        for _ in range(30):
            yield b" " * 50_000
            await asyncio.sleep(0)

    streamed = await admin.call("POST", "/cameras", content=pieces(), headers={"Content-Type": "application/json"})
    assert (streamed.status_code, streamed.json()["code"]) == (413, "body_too_large")


async def test_a_state_that_does_not_answer_is_not_asked_for_every_request(plane: Plane, admin: Person) -> None:
    asked: list[str] = []

    async def hang(key: str, **_: object) -> object:
        asked.append(key)
        raise HubError(ErrorKind.UNAVAILABLE, "no answer", code="state_unavailable")

    plane.state.take_token = hang  # type: ignore[method-assign,assignment]
    for _ in range(10):
        assert (await admin.get("/auth/me")).status_code == 200
    assert len(asked) == 1
    plane.clock.advance(3)
    await admin.get("/auth/me")
    assert len(asked) == 2


async def test_a_body_that_does_not_come_is_not_waited_for(
    plane: Plane, admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "BODY_IDLE_S", 0.05)

    async def pieces() -> object:
        yield b'{"id":'
        await asyncio.sleep(1)
        yield b'"x"}'

    late = await admin.call("POST", "/cameras", content=pieces(), headers={"Content-Type": "application/json"})
    assert (late.status_code, late.json()["code"]) == (408, "request_timeout")
    assert late.headers["connection"] == "close"


@pytest.mark.parametrize(
    "path",
    ["/api/v1/cameras/%00", "/api/v1/cameras?q=%ff", "/api/v1/cameras?q=%00", "/%c3%28", "/api/v1/cameras?q=a%0ab"],
)
async def test_bytes_that_are_no_text_stop_at_the_door(plane: Plane, path: str) -> None:
    answer = await plane.client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_text")
    assert answer.headers["x-trace-id"] == answer.json()["trace_id"]


async def test_problems_speak_ones_language_and_name_the_trace(plane: Plane) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"Accept-Language": "en-GB,zh;q=0.5", "traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    answer = await plane.client.get("/api/v1/auth/me", headers=headers)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:xiangyun:problem:token_missing", "title": "Unauthorized", "status": 401, "code": "token_missing",
        "detail": "Log in first.", "trace_id": trace,
    }  # fmt: skip
    chinese = await plane.client.get("/api/v1/auth/me", headers={"Accept-Language": "fr, zh-CN"})
    assert chinese.json()["detail"] == "请先登录。"


async def test_a_bug_tells_nothing_but_its_trace(plane: Plane, admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    async def boom(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("api.services.orgs.page", boom)
    answer = await admin.get("/orgs")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text


async def test_every_answer_carries_the_protecting_headers(plane: Plane) -> None:
    for path in ("/", "/api/v1/setup", "/api/v1/nothing"):
        headers = (await plane.client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert (await plane.client.get("/api/v1/setup")).headers["cache-control"] == "no-store"

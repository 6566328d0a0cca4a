"""Set-up, log-in, tokens, lockout."""

import asyncio

import httpx
import pytest

from api.control.limits import PASSWORD
from api.services.login import LOCK_US, MAX_FAILURES, MAX_FAILURES_ANYWHERE
from tests.fakes.control import ADMIN, Person, Plane

LOGIN = "/api/v1/auth/login"


async def test_set_up_is_needed_once(plane: Plane) -> None:
    assert (await plane.client.get("/api/v1/setup")).json() == {"needed": True}
    await plane.set_up()
    assert (await plane.client.get("/api/v1/setup")).json() == {"needed": False}
    again = await plane.client.post(
        "/api/v1/setup", json={"username": "eve", "password": "Another-pass-1", "county_name": "x"}
    )
    assert (again.status_code, again.json()["code"]) == (409, "setup_done")


async def test_of_two_set_ups_at_the_same_moment_one_wins(plane: Plane) -> None:
    bodies = [
        {"username": name, "password": "Correct-horse-9", "county_name": "县"} for name in ("one", "two", "three")
    ]
    answers = await asyncio.gather(*(plane.client.post("/api/v1/setup", json=body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]


@pytest.mark.parametrize("password", ["short1!", "aaaaaaaa", "password", "12345678", "admin123"])
async def test_a_weak_password_is_refused(plane: Plane, password: str) -> None:
    answer = await plane.client.post(
        "/api/v1/setup", json={"username": "root", "password": password, "county_name": "县"}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "weak_password")
    assert (await plane.client.get("/api/v1/setup")).json() == {"needed": True}


async def test_me_tells_who_and_what(admin: Person) -> None:
    me = (await admin.get("/auth/me")).json()
    assert (me["username"], me["org_id"], me["roles"], me["locale"]) == ("admin", None, ["admin"], "zh-CN")
    assert "replay.download" in me["verbs"]


async def test_the_login_cookie_is_for_refreshing_only(plane: Plane, admin: Person) -> None:
    answer = await plane.client.post(LOGIN, json={"username": ADMIN[0], "password": ADMIN[1]})
    cookie = answer.headers["set-cookie"]
    assert "xy_refresh=" in cookie
    for part in ("HttpOnly", "Path=/api/v1/auth", "SameSite=strict"):
        assert part in cookie
    renewed = await plane.client.post("/api/v1/auth/refresh")
    assert renewed.status_code == 200
    plane.client.cookies.clear()
    assert (await plane.client.post("/api/v1/auth/refresh")).status_code == 401


async def test_wrong_passwords_and_unknown_users_look_the_same(plane: Plane, admin: Person) -> None:
    wrong = await plane.client.post(LOGIN, json={"username": "admin", "password": "nope"})
    unknown = await plane.client.post(LOGIN, json={"username": "nobody", "password": "nope"})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json()["code"] == unknown.json()["code"] == "bad_credentials"


async def test_five_failures_lock_the_account_at_this_address_for_a_while(plane: Plane, admin: Person) -> None:
    for _ in range(MAX_FAILURES):
        await plane.client.post(LOGIN, json={"username": "admin", "password": "nope"})
    locked = await plane.client.post(LOGIN, json={"username": ADMIN[0], "password": ADMIN[1]})
    assert (locked.status_code, locked.json()["code"]) == (429, "account_locked")
    assert int(locked.headers["retry-after"]) > 500
    other = await plane.client.post(LOGIN, json={"username": "somebody", "password": "nope"})
    assert other.status_code == 401, "the neighbours behind the same address are not locked out"
    plane.clock.advance(LOCK_US / 1e6 + 1)
    assert (await plane.client.post(LOGIN, json={"username": ADMIN[0], "password": ADMIN[1]})).status_code == 200


async def test_guesses_made_at_once_are_not_more_than_five(plane: Plane, admin: Person) -> None:
    """All of them are let in before the first has failed; the right one among them must not be told."""
    words = ["nope"] * (MAX_FAILURES + 3) + [ADMIN[1]]
    tried = (plane.client.post(LOGIN, json={"username": ADMIN[0], "password": word}) for word in words)
    statuses = [answer.status_code for answer in await asyncio.gather(*tried)]
    assert 200 not in statuses
    assert statuses.count(429) >= 1


def elsewhere(plane: Plane, address: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=plane.app, client=(address, 1)), base_url="http://hub")


async def test_strangers_everywhere_lock_the_account_but_not_where_it_is_at_home(plane: Plane, admin: Person) -> None:
    for number in range(MAX_FAILURES_ANYWHERE // 4 + 1):
        async with elsewhere(plane, f"2001:db8:{number:x}::1") as stranger:
            for _ in range(4):
                await stranger.post(LOGIN, json={"username": ADMIN[0], "password": "nope"})
    async with elsewhere(plane, "198.51.100.7") as new_place:
        locked = await new_place.post(LOGIN, json={"username": ADMIN[0], "password": ADMIN[1]})
    assert (locked.status_code, locked.json()["code"]) == (429, "account_locked")
    assert (await plane.client.post(LOGIN, json={"username": ADMIN[0], "password": ADMIN[1]})).status_code == 200


async def test_an_ipv6_subscriber_has_five_guesses_and_not_five_for_each_address(plane: Plane, admin: Person) -> None:
    statuses = []
    for number in range(MAX_FAILURES + 1):
        async with elsewhere(plane, f"2001:db8::{number:x}") as client:
            statuses.append((await client.post(LOGIN, json={"username": "admin", "password": "nope"})).status_code)
    assert statuses == [401] * MAX_FAILURES + [429]


async def test_the_refresh_cookie_does_not_serve_another_page_of_this_host(plane: Plane, admin: Person) -> None:
    await plane.client.post(LOGIN, json={"username": ADMIN[0], "password": ADMIN[1]})
    assert plane.client.cookies.get("xy_refresh")
    for site in ("same-site", "cross-site"):
        answer = await plane.client.post("/api/v1/auth/refresh", headers={"Sec-Fetch-Site": site})
        assert (answer.status_code, answer.json()["code"]) == (401, "refresh_invalid")
    own = await plane.client.post("/api/v1/auth/refresh", headers={"Sec-Fetch-Site": "same-origin"})
    assert own.status_code == 200


async def test_ones_own_password_is_not_guessed_at_full_speed(plane: Plane, admin: Person) -> None:
    plane.state.is_limiting = True
    tries = [
        await admin.post("/auth/password", {"current": "x", "new": "Neues-Wort-77"}) for _ in range(PASSWORD.burst + 2)
    ]
    assert [answer.status_code for answer in tries] == [400] * PASSWORD.burst + [429] * 2


async def test_a_refresh_token_is_good_once_and_its_second_use_ends_the_login(plane: Plane, admin: Person) -> None:
    first = await plane.client.post("/api/v1/auth/refresh", json={"refresh_token": admin.refresh_token})
    assert first.status_code == 200
    plane.client.cookies.clear()
    stolen = await plane.client.post("/api/v1/auth/refresh", json={"refresh_token": admin.refresh_token})
    assert (stolen.status_code, stolen.json()["code"]) == (401, "refresh_invalid")
    assert (await admin.get("/auth/me")).status_code == 401
    after = await plane.client.post("/api/v1/auth/refresh", json={"refresh_token": first.json()["refresh_token"]})
    assert after.status_code == 401


async def test_an_access_token_expires(plane: Plane, admin: Person) -> None:
    plane.clock.advance(15 * 60 + 1)
    answer = await admin.get("/auth/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "token_expired")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "token",
    ["", "x", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiIsImV4cCI6OTk5OTk5OTk5OTl9.", "a" * 9000, "a.b.c"],
)
async def test_foreign_tokens_are_refused(plane: Plane, admin: Person, token: str) -> None:
    answer = await plane.client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


async def test_logging_out_ends_the_token(admin: Person) -> None:
    assert (await admin.post("/auth/logout")).status_code == 204
    assert (await admin.get("/auth/me")).status_code == 401


async def test_a_new_password_ends_the_other_logins(plane: Plane, admin: Person) -> None:
    other = await plane.log_in(*ADMIN)
    refused = await admin.post("/auth/password", {"current": "wrong", "new": "Entirely-new-7"})
    assert refused.json()["code"] == "wrong_password"
    assert (await admin.post("/auth/password", {"current": ADMIN[1], "new": "Entirely-new-7"})).status_code == 204
    assert (await admin.get("/auth/me")).status_code == 200
    assert (await other.get("/auth/me")).status_code == 401
    await plane.log_in(ADMIN[0], "Entirely-new-7")


async def test_usernames_are_one_whatever_their_case_and_width(plane: Plane, admin: Person) -> None:
    await plane.log_in("ＡＤＭＩＮ", ADMIN[1])


async def test_failed_logins_are_in_the_audit_log(plane: Plane, admin: Person) -> None:
    await plane.client.post(LOGIN, json={"username": "admin", "password": "nope"})
    rows = (await admin.get("/audit", params={"action": "auth.login"})).json()["items"]
    assert [row["outcome"] for row in rows] == ["failed", "ok"]
    assert "nope" not in str(rows)

"""Health, figures, documentation, console."""

from pathlib import Path

import pytest

from tests.fakes.control import Person, Plane, control_plane


async def test_health_readiness_and_figures(plane: Plane, admin: Person) -> None:
    plane.state.reported = {"a": {"state": "online", "recording": {"state": "recording"}}, "b": {"state": "offline"}}
    assert (await plane.client.get("/healthz")).json() == {"status": "ok"}
    assert (await plane.client.get("/readyz")).json()["status"] == "ready"
    figures = (await plane.client.get("/metrics")).text
    for line in (
        'xiangyun_cameras{state="online"} 1.0', 'xiangyun_cameras{state="offline"} 1.0', "xiangyun_cameras_recording 1.0",
        'xiangyun_http_requests_total{method="POST",route="/api/v1/setup",status="201"} 1.0',
    ):  # fmt: skip
        assert line in figures


async def test_not_ready_without_the_shared_state_but_alive(plane: Plane) -> None:
    plane.state.is_down = True
    answer = await plane.client.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]["state"], answer.json()["checks"]["database"]) == (
        503,
        False,
        True,
    )
    assert (await plane.client.get("/healthz")).status_code == 200
    plane.state.is_down = False


async def test_the_documentation_needs_no_internet(plane: Plane) -> None:
    page = await plane.client.get("/docs")
    assert page.status_code == 200
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js"):
        assert f'"/docs/{name}"' in page.text
        assert (await plane.client.get(f"/docs/{name}")).status_code == 200
    assert "http" not in page.text
    assert "unsafe-inline' 'unsafe-eval" not in page.headers["content-security-policy"]
    assert (await plane.client.get("/openapi.json")).json()["openapi"].startswith("3.")


async def test_the_console_is_served_with_deep_links(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<p>console</p>")
    (tmp_path / "assets" / "app-1a2b.js").write_text("1")
    async with control_plane(database_url, console_dir=tmp_path) as plane:
        for path in ("/", "/live", "/replay/cam-1"):
            answer = await plane.client.get(path)
            assert (answer.text, answer.headers["cache-control"]) == ("<p>console</p>", "no-cache")
            assert "default-src 'self'" in answer.headers["content-security-policy"]
        hashed = await plane.client.get("/assets/app-1a2b.js")
        assert "immutable" in hashed.headers["cache-control"]
        assert (await plane.client.get("/assets/gone.js")).status_code == 404


@pytest.mark.parametrize(
    "path", ["/../app.py", "/..%2fapp.py", "/%2e%2e/app.py", "/assets/../../app.py", "//etc/passwd", "/.env"]
)
async def test_no_path_leads_out_of_the_console(database_url: str, tmp_path: Path, path: str) -> None:
    folder = tmp_path / "console"
    folder.mkdir()
    (tmp_path / "app.py").write_text("secret")
    async with control_plane(database_url, console_dir=folder) as plane:
        assert "secret" not in (await plane.client.get(path)).text


async def test_a_console_not_built_says_so(database_url: str, tmp_path: Path) -> None:
    async with control_plane(database_url, console_dir=tmp_path) as plane:
        assert "make web" in (await plane.client.get("/")).text


async def test_an_unknown_call_is_a_problem_not_the_console(plane: Plane) -> None:
    answer = await plane.client.get("/api/v1/nothing")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    wrong = await plane.client.put("/api/v1/setup")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")

"""The private socket: only ours, and never missing while a process is replaced."""

import stat
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from api.processes.private_app import QuietServer, bind_unix, private_config
from api.processes.valkey import server_binary, set_aside
from media.base.tasks import Owner


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "w.sock"


def test_a_socket_is_for_this_user_only_and_replaces_a_stale_one(place: Path) -> None:
    place.write_text("left behind")
    bound = bind_unix(place)
    assert stat.S_ISSOCK(place.stat().st_mode)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    bind_unix(place).close()
    bound.close()
    assert [path.name for path in place.parent.iterdir()] == ["w.sock"]


async def test_an_app_is_served_until_told_to_stop(place: Path) -> None:
    app = FastAPI()

    @app.get("/hello")
    async def hello() -> str:
        return "hello"

    server = QuietServer(private_config(app, lifespan="off"))
    async with Owner("test") as owner:
        task = owner.start(server.serve(sockets=[bind_unix(place)]), "server")
        await server.up.wait()
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(place))) as client:
            answer = await client.get("http://worker/hello")
        assert (answer.json(), answer.headers.get("server")) == ("hello", None)
        server.should_exit = True
        await task


def test_the_wheel_has_a_server_for_this_machine() -> None:
    assert server_binary().is_file()


def test_unloadable_data_are_kept_once_for_a_look(tmp_path: Path) -> None:
    for content in ("first", "second"):
        (tmp_path / "appendonlydir").mkdir()
        (tmp_path / "appendonlydir" / "aof").write_text(content)
        set_aside(tmp_path)
    set_aside(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["appendonlydir.broken"]
    assert (tmp_path / "appendonlydir.broken" / "aof").read_text() == "second"

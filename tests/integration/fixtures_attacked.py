"""A running hub in which a meeting goes on while crafted clients try what they like: `attacked_hub`, `room`, `meeting`.

An attendee sends picture and sound, the chair receives both; `Scene.flows` tells whether that goes on.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.hub_process import HubProcess
from tests.integration.fixtures_attack import PASSWORD, Downlink, Line, Uplink, line, publish, subscribed, watch


@contextmanager
def attacked_hub(folder: Path) -> Iterator[HubProcess]:
    """Run a hub with a village, two villagers who may not look at cameras, and a camera."""
    with HubProcess(folder, env={"XIANGYUN_PUBLIC_ADDRESSES": "127.0.0.1"}) as running:
        running.login()
        running.root_org()
        running.post("/orgs", {"id": "village", "name": "村", "level": "village", "parent_id": running.root_org()})
        for name in ("li", "wang"):
            account = {"id": name, "username": name, "password": PASSWORD, "roles": ["auditor"], "org_id": "village"}
            running.post("/users", account)
        running.add_camera("gate", "rtsp://127.0.0.1:9/none")
        yield running


@dataclass
class Place:
    """A room."""

    hub: HubProcess
    id: str
    passcode: str
    invite: str

    def join(self, client: httpx.Client | None = None, **body: Any) -> dict[str, Any]:
        """Take a seat, as the administrator unless another client asks."""
        answer = (client or self.hub.http).post(f"/api/v1/rooms/{self.id}/join", json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def guest(self, name: str = "客", **body: Any) -> dict[str, Any]:
        """Take a seat by invitation."""
        with httpx.Client(base_url=self.hub.url, timeout=20) as client:
            return self.join(client, display_name=name, invite=self.invite, passcode=self.passcode, **body)


def room(hub: HubProcess, **more: Any) -> Place:
    made = hub.post("/rooms", {"name": "例会", **more})
    invite = hub.get(f"/rooms/{made['id']}/invite")
    return Place(hub, made["id"], invite["passcode"], invite["url"].partition("invite=")[2])


@dataclass
class Scene:
    """A meeting: the chair watches and listens, an attendee publishes, packets flow."""

    place: Place
    chair: Line
    talker: Line
    up: Uplink
    down: Downlink

    @property
    def talker_id(self) -> str:
        return str(self.talker.welcome["participant"]["id"])

    @property
    def source(self) -> str:
        return f"participant/{self.talker_id}"

    async def flows(self, by: int = 20) -> None:
        """Assert that picture and sound of the attendee go on arriving."""
        await self.down.advances("talk/c", by)
        await self.down.advances("talk/m", by)


@asynccontextmanager
async def meeting(hub: HubProcess, **more: Any) -> AsyncIterator[Scene]:
    place = room(hub, **more)
    async with AsyncExitStack() as stack:
        chair = await stack.enter_async_context(line(hub, token=place.join()["token"]))
        talker = await stack.enter_async_context(line(hub, token=place.guest("说话的")["token"]))
        up = await publish(talker, "talk", "camera", "microphone")
        stack.push_async_callback(up.close)
        down = await watch(chair)
        stack.push_async_callback(down.close)
        scene = Scene(place, chair, talker, up, down)
        await subscribed(chair, scene.source)
        await scene.flows()
        yield scene


def undisturbed(hub: HubProcess) -> None:
    """Assert that no process has ended and nothing failed."""
    log = hub.log_path.read_text(errors="replace")
    assert "Traceback" not in log
    assert "child ended" not in log
    assert hub.http.get("/readyz").status_code == 200

"""Closed networks: no UDP reaches the worker, and two browsers meet through coturn, by TCP and by TLS, or not at all."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.integration.fixtures_session import Meeting, Seat, until
from tests.integration.fixtures_turn import SECRET, HubAt, Turn, apart, browser_in, coturn, hub_at, why_not

REASON = why_not()
pytestmark = [
    pytest.mark.foreign,
    pytest.mark.timeout(240),
    pytest.mark.skipif(bool(REASON), reason=REASON or "-"),
]

CONNECT_S = 15.0
"""By the relay they are connected within it; without one they are not."""

PAIRS = """async () => {
  const found = {};
  for (const name of ['up', 'down']) {
    const stats = await s[name].getStats(), all = [];
    stats.forEach((each) => all.push(each));
    const used = all.find((each) => each.type === 'transport' && each.selectedCandidatePairId);
    const pair = used && stats.get(used.selectedCandidatePairId), local = pair && stats.get(pair.localCandidateId);
    found[name] = {state: s[name].connectionState, type: local?.candidateType, relay: local?.relayProtocol, url: local?.url,
      sent: pair?.bytesSent || 0, received: pair?.bytesReceived || 0};
  }
  return found;
}"""


@dataclass
class Edge:
    """The relay at the edge of the closed network, a browser inside, and two hubs: one knows of the relay."""

    turn: Turn
    browser: Browser
    relayed: HubAt
    bare: HubAt


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    folder = tmp_path_factory.mktemp("edge")
    with apart() as place, coturn(place.near, folder) as turn:
        place.block_udp()
        urls = {"XIANGYUN_TURN_URLS": f"{turn.tcp_url},{turn.tls_url}", "XIANGYUN_TURN_SECRET": SECRET}
        relayed, bare = hub_at(place.near, folder / "relayed", **urls), hub_at(place.near, folder / "bare")
        with browser_in(place, (relayed.url, bare.url), folder, turn.spki) as browser:
            yield Edge(turn, browser, relayed, bare)


@pytest.fixture(scope="module")
def relayed(edge: Edge) -> Iterator[Meeting]:
    with edge.relayed as hub:
        yield furnished(hub, edge.browser)


def furnished(hub: HubAt, browser: Browser) -> Meeting:
    hub.login()
    made = hub.post("/rooms", {"name": "例会"})
    invite = hub.get(f"/rooms/{made['id']}/invite")
    return Meeting(hub, browser, made["id"], invite["passcode"], invite["url"].partition("invite=")[2])


def two(room: Meeting, *, over: str = "") -> tuple[Seat, Seat]:
    """Let two come who both publish and watch each other, with the TURN servers they are told, or only this one."""
    seats = room.sit(room.join()), room.sit(room.join_as_guest("王婶"))
    for seat in seats:
        if over:
            seat.run(
                "([url]) => s.ice.iceServers.forEach((each) => each.urls = each.urls.filter((one) => one === url))",
                over,
            )
        assert seat.publish()["type"] == "published"
        assert seat.open(video=1, audio=1)["type"] == "slots"
    return seats


def pairs(seat: Seat) -> dict[str, dict[str, Any]]:
    return dict(seat.run(PAIRS))


@pytest.mark.parametrize("way", ["tcp", "tls"])
def test_without_udp_two_meet_through_the_relay(edge: Edge, relayed: Meeting, way: str) -> None:
    url = edge.turn.tcp_url if way == "tcp" else edge.turn.tls_url
    seats = two(relayed, over=url)
    for seat in seats:
        until(lambda seat=seat: {each["state"] for each in pairs(seat).values()} == {"connected"}, CONNECT_S)
    for seat, other in (seats, seats[::-1]):
        seat.advances(seat.watch(f"participant/{other.participant_id}"))
        seat.advances(seat.voice_mid(f"participant/{other.participant_id}"), "packets", 20)
    for seat in seats:
        for used in pairs(seat).values():
            assert (used["type"], used["relay"], used["url"]) == ("relay", way, url), used
            assert used["sent"] > 0
            assert used["received"] > 0
    for seat in seats:
        seat.page.context.close()


def test_the_same_without_turn_in_the_settings_does_not_connect(edge: Edge) -> None:
    with edge.bare as hub:
        seats = two(furnished(hub, edge.browser))
        assert [seat.welcome["ice_servers"] for seat in seats] == [[], []]
        seats[0].page.wait_for_timeout(CONNECT_S * 1000)
        for seat in seats:
            for used in pairs(seat).values():
                assert used["state"] in {"connecting", "failed", "new"}, used
                assert used["received"] == 0
            assert all(figure["packets"] == 0 for figure in seat.run("() => s.figures()").values())

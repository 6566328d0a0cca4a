"""The demo's sample county is consistent and its passwords stay the same."""

import datetime as dt
import re
import socket
from pathlib import Path

import pytest

from api.auth.passwords import check_new_password
from api.auth.roles import ROLES
from api.operations.demo import (
    CAMERAS,
    CHINA,
    ORGS,
    ROOMS,
    USERS,
    DemoClient,
    DemoFile,
    ensure_room,
    free_port,
    make_password,
    next_time,
    simulator_child,
    welcome,
)
from api.processes.home import prepare
from api.settings import load_settings
from media.base.clock import us_of_utc
from media.base.errors import HubError
from media.base.ids import is_id
from tests.fakes.control import ADMIN, Plane
from tests.fakes.control_fixtures import *  # noqa: F403


def test_the_county_is_a_tree_with_two_townships_and_three_villages() -> None:
    levels = {org_id: level for org_id, _, level, _, _ in ORGS}
    above = {"county": None, "township": "county", "village": "township"}
    assert [above[level] for _, _, level, parent, _ in ORGS] == [levels.get(parent) for _, _, _, parent, _ in ORGS]
    assert sorted(levels.values()) == ["county", "township", "township", "village", "village", "village"]


def test_cameras_and_users_are_where_they_can_be() -> None:
    orgs = {org[0] for org in ORGS}
    assert {camera.org_id for camera in CAMERAS} <= orgs
    assert {user.org_id for user in USERS[1:]} <= orgs
    assert {role for user in USERS for role in user.roles} <= set(ROLES)
    assert len({role for user in USERS for role in user.roles}) >= 3
    assert all(is_id(camera.id) for camera in CAMERAS)


def test_six_cameras_show_every_codec() -> None:
    assert [camera.number for camera in CAMERAS] == [1, 2, 3, 4, 5, 6]
    assert [camera.codec for camera in CAMERAS].count("h265") == 1
    assert {"aac", "pcma", "pcmu", "none"} == {camera.audio for camera in CAMERAS}


def test_passwords_are_good_enough_and_never_the_same() -> None:
    made = {make_password() for _ in range(50)}
    assert len(made) == 50
    for password in made:
        check_new_password(password, "admin")
        assert re.fullmatch(r"Xy(-[a-z2-9]{4}){3}", password)


def test_the_second_run_prints_the_same(tmp_path: Path) -> None:
    settings = prepare(load_settings({"data_dir": tmp_path / "demo"}, {}, tmp_path))
    first = DemoFile(settings.data_dir)
    first.port = 8554
    first.save()
    assert (settings.data_dir / "demo.json").stat().st_mode & 0o777 == 0o600
    assert welcome(settings, DemoFile(settings.data_dir)) == welcome(settings, first)
    assert all(password in welcome(settings, first) for password in first.passwords.values())


def test_a_broken_memory_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_text("{}")
    with pytest.raises(HubError, match="begin anew"):
        DemoFile(tmp_path)


def test_another_port_is_taken_when_the_usual_one_is(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) not in {0, port}
    assert free_port(port) == port


def test_the_simulator_is_told_of_every_camera(tmp_path: Path) -> None:
    settings = prepare(load_settings({"data_dir": tmp_path / "demo"}, {}, tmp_path))
    words = simulator_child(settings, 8554, 3).argv
    assert [words[n + 1] for n, word in enumerate(words) if word == "--codec"][2] == "3:h265"


def test_the_rooms_join_organisations_that_are_there() -> None:
    orgs = {org[0] for org in ORGS}
    assert {org_id for room in ROOMS for org_id, _ in room.members} <= orgs
    assert [room.hour is None for room in ROOMS] == [False, True]
    assert all(is_id(room.id) for room in ROOMS)


@pytest.mark.parametrize(("now", "day"), [("14:59", 2), ("15:00", 3), ("23:30", 3)])
def test_a_meeting_is_planned_for_its_next_time(now: str, day: int) -> None:
    at = dt.datetime.fromisoformat(f"2027-02-02T{now}:00").replace(tzinfo=CHINA)
    assert next_time(15, us_of_utc(at)) == dt.datetime(2027, 2, day, 15, tzinfo=CHINA)


async def test_a_second_start_moves_a_meeting_that_is_past_and_prints_the_same_invitation(plane: Plane) -> None:
    await plane.set_up()
    client = DemoClient(plane.client)
    await client.login(ADMIN[1])
    for org_id, name, level, parent_id, code in ORGS:
        await client.ensure("/orgs", {"id": org_id, "name": name, "level": level, "parent_id": parent_id, "code": code})
    first = await ensure_room(client, ROOMS[0], plane.clock.wall_us())
    assert "01-15 " in first or "01-16 " in first
    assert re.search(r"passcode 密码 [0-9]{6}  http://hub/#/join/sanji-huiyi\?invite=", first)
    assert await ensure_room(client, ROOMS[0], plane.clock.wall_us()) == first
    later = await ensure_room(client, ROOMS[0], plane.clock.wall_us() + 3 * 86_400_000_000)
    assert later == first, "the hub's own clock says that it is still to come"
    always = await ensure_room(client, ROOMS[1], plane.clock.wall_us())
    assert "always" in always

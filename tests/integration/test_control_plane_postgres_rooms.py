"""The tests of rooms, sessions and calls, once more on a real PostgreSQL."""

import pytest

from tests.fakes.control_fixtures import admin, plane
from tests.fakes.meeting import county, worker
from tests.integration.fixtures_postgres import database_url, postgres_cluster
from tests.unit.api.control.test_gate import (
    test_a_break_is_resumed_in_the_same_session,
    test_a_camera_is_written_down_before_the_worker_hears_of_it,
    test_a_token_outlives_neither_its_log_in_nor_its_membership_nor_the_room,
    test_a_worker_that_was_killed_is_waited_for_and_the_seat_taken_anew,
    test_leaving_ends_the_session_for_good,
    test_whoever_comes_last_has_the_seat,
)
from tests.unit.api.control.test_room_sweeper import *  # noqa: F403
from tests.unit.api.services.test_room_cameras import *  # noqa: F403

__all__ = [
    "admin",
    "county",
    "database_url",
    "plane",
    "postgres_cluster",
    "test_a_break_is_resumed_in_the_same_session",
    "test_a_camera_is_written_down_before_the_worker_hears_of_it",
    "test_a_token_outlives_neither_its_log_in_nor_its_membership_nor_the_room",
    "test_a_worker_that_was_killed_is_waited_for_and_the_seat_taken_anew",
    "test_leaving_ends_the_session_for_good",
    "test_whoever_comes_last_has_the_seat",
    "worker",
]

pytestmark = pytest.mark.foreign

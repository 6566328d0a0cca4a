"""The tests of planning rooms, once more on a real PostgreSQL."""

import pytest

from tests.fakes.control_fixtures import admin, plane
from tests.integration.fixtures_postgres import database_url, postgres_cluster
from tests.unit.api.routes.test_rooms import *  # noqa: F403

__all__ = ["admin", "database_url", "plane", "postgres_cluster"]

pytestmark = pytest.mark.foreign

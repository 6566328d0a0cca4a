"""The tests of the control plane that touch the database, once more on a real PostgreSQL."""

import pytest

from tests.fakes.control_fixtures import admin, plane
from tests.integration.fixtures_postgres import database_url, postgres_cluster
from tests.unit.api.db.test_audit import *  # noqa: F403
from tests.unit.api.db.test_migrate import *  # noqa: F403
from tests.unit.api.routes.test_auth import *  # noqa: F403
from tests.unit.api.routes.test_cameras import *  # noqa: F403
from tests.unit.api.routes.test_orgs import *  # noqa: F403
from tests.unit.api.routes.test_users import *  # noqa: F403

__all__ = ["admin", "database_url", "plane", "postgres_cluster"]

pytestmark = pytest.mark.foreign

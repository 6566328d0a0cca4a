from tests.fakes.control_fixtures import *  # noqa: F403

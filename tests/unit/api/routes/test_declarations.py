"""Every route declares what it needs, in the code and in the OpenAPI document."""

import ast
import inspect
import textwrap
from collections.abc import Iterator

from fastapi.routing import APIRoute, APIWebSocketRoute

from api.app import API_ROUTERS, PAGE_ROUTERS, permission_of
from api.auth.verbs import Verb
from api.http.permission import Scope
from tests.fakes.control import Plane

PUBLIC = {
    ("GET", "/setup"), ("POST", "/setup"), ("POST", "/auth/login"), ("POST", "/auth/refresh"),
    ("GET", "/rooms/{room_id}/invitation"),  # what the link of an invitation tells before the passcode is known
    ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics"),
    ("GET", "/openapi.json"), ("GET", "/docs"), ("GET", "/docs/start.js"), ("GET", "/docs/{name}"),
    ("GET", "/{path:path}"), ("HEAD", "/{path:path}"),
}  # fmt: skip
"""Whoever adds to this list says why in the commit."""


INVITED = {("POST", "/rooms/{room_id}/join")}
"""Members by log-in, guests by link and passcode."""
FOREIGN = {
    (method, f"/rooms/{{room_id}}/{kind}{more}")
    for kind in ("whip", "whep")
    for method, more in (
        ("GET", ""),
        ("HEAD", ""),
        ("POST", ""),
        ("PATCH", "/{session_id}"),
        ("DELETE", "/{session_id}"),
    )
}
"""Software that is given a join token instead of a password."""
SOCKETS = {("WEBSOCKET", "/session")}
"""Opened without a log-in: the first message brings a token that names person and seat."""


def routes() -> Iterator[APIRoute | APIWebSocketRoute]:
    for router in (*API_ROUTERS, *PAGE_ROUTERS):
        for route in router.routes:
            assert isinstance(route, APIRoute | APIWebSocketRoute), f"{route} can declare nothing"
            yield route


def methods(route: APIRoute | APIWebSocketRoute) -> set[str]:
    return set(route.methods) if isinstance(route, APIRoute) else {"WEBSOCKET"}


def test_every_route_declares_exactly_one_permission() -> None:
    undeclared = [route.path for route in routes() if permission_of(route) is None]
    assert undeclared == []


def test_only_the_listed_routes_are_public() -> None:
    found = set()
    for route in routes():
        permission = permission_of(route)
        assert permission is not None
        if permission.scope is Scope.PUBLIC:
            found |= {(method, route.path) for method in methods(route)}
    assert found == PUBLIC


def test_only_the_listed_routes_trust_a_token_or_an_invitation() -> None:
    found = set()
    for route in routes():
        permission = permission_of(route)
        assert permission is not None
        if permission.scope in {Scope.ONCE, Scope.INVITED, Scope.SEATED}:
            found |= {(method, route.path) for method in methods(route)}
    assert found == SOCKETS | INVITED | FOREIGN


def test_a_route_without_a_verb_is_public_or_ones_own() -> None:
    for route in routes():
        permission = permission_of(route)
        assert permission is not None
        assert permission.verb is not None or permission.scope in {Scope.PUBLIC, Scope.SELF, Scope.ONCE}, route.path


def test_scopes_that_name_a_thing_find_it_in_the_path_or_query() -> None:
    for route in routes():
        permission = permission_of(route)
        assert permission is not None
        names = {field.alias for field in (*route.dependant.path_params, *route.dependant.query_params)}
        if permission.scope is Scope.ORG:
            assert "{org_id}" in route.path
        if permission.scope is Scope.ROOM_GRANT:
            assert "{room_id}" in route.path
        if permission.scope in {Scope.CAMERA, Scope.GRANT}:
            assert "{camera_id}" in route.path or "camera_id" in names, route.path


def test_every_operation_of_the_openapi_document_says_its_permission(plane: Plane) -> None:
    schema = plane.app.openapi()
    verbs = {verb.value for verb in Verb} | {None}
    count = 0
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            declared = operation.get("x-permission")
            assert declared, f"{method} {path} declares no permission"
            assert declared.get("verb") in verbs
            assert ("security" in operation) is (declared["scope"] not in {"public", "invited"})
            count += 1
    assert count >= 50


def test_no_route_of_the_running_app_bypasses_the_declared_routers(plane: Plane) -> None:
    included = {id(getattr(route, "original_router", None)) for route in plane.app.routes}
    assert included == {id(router) for router in (*API_ROUTERS, *PAGE_ROUTERS)}


def test_handlers_are_thin() -> None:
    long = []
    for route in routes():
        tree = ast.parse(textwrap.dedent(inspect.getsource(route.endpoint)))
        node = tree.body[0]
        if (node.end_lineno or 0) - node.lineno + 1 > 25:
            long.append(route.path)
    assert long == []

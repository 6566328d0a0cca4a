"""A permission is a verb on a subtree, or on one camera."""

import pytest

from api.auth.principal import Principal
from api.auth.roles import ROLES, check_roles, verbs_of
from api.auth.verbs import PRIVILEGED_VERBS, Verb
from media.base.errors import ErrorKind, HubError


def of(path: str, *verbs: Verb, grants: dict[str, frozenset[Verb]] | None = None) -> Principal:
    return Principal(
        user_id="u", username="u", display_name="u", session_id="s", org_id=None, org_path=path, roles=(),
        verbs=frozenset(verbs), locale="zh-CN", camera_grants=grants or {},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("mine", "there", "may"),
    [
        ("/", "/a/b/", True), ("/a/", "/a/", True), ("/a/", "/a/b/", True), ("/a/b/", "/a/", False),
        ("/a/", "/ab/", False), ("/a/b/", "/a/c/", False),
    ],
)  # fmt: skip
def test_a_subtree_holds_what_is_below_it(mine: str, there: str, may: bool) -> None:
    assert of(mine, Verb.LIVE_VIEW).may(Verb.LIVE_VIEW, there) is may
    assert of(mine, Verb.CAMERA_READ).may(Verb.LIVE_VIEW, there) is False


def test_a_camera_grant_reaches_one_camera_with_one_verb() -> None:
    guest = of("/a/", grants={"gate": frozenset({Verb.LIVE_VIEW})})
    assert guest.may(Verb.LIVE_VIEW, "/b/", "gate")
    assert not guest.may(Verb.LIVE_VIEW, "/b/", "other")
    assert not guest.may(Verb.REPLAY_VIEW, "/b/", "gate")
    assert guest.may_somewhere(Verb.LIVE_VIEW)
    with pytest.raises(HubError) as caught:
        guest.check(Verb.REPLAY_VIEW, "/b/", "gate")
    assert caught.value.kind is ErrorKind.DENIED


def test_the_three_administrators_are_apart() -> None:
    assert Verb.LIVE_VIEW not in ROLES["security-admin"].verbs | ROLES["auditor"].verbs
    assert Verb.AUDIT_READ not in ROLES["system-admin"].verbs | ROLES["security-admin"].verbs
    assert Verb.USER_MANAGE not in ROLES["system-admin"].verbs | ROLES["auditor"].verbs
    assert ROLES["admin"].verbs == frozenset(Verb)


def test_who_watches_holds_nothing_privileged() -> None:
    for role in ("viewer", "operator", "retriever", "approver", "maintainer"):
        assert not ROLES[role].verbs & PRIVILEGED_VERBS


def test_looking_does_not_include_taking_away() -> None:
    assert [role.id for role in ROLES.values() if Verb.REPLAY_DOWNLOAD in role.verbs] == ["admin", "retriever"]


def test_roles_are_checked_and_unknown_ones_give_nothing() -> None:
    assert check_roles(["viewer", "viewer", "auditor"]) == ("auditor", "viewer")
    assert verbs_of(["gone"]) == frozenset()
    with pytest.raises(HubError):
        check_roles(["king"])

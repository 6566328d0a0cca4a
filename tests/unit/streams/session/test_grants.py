from media.base.ids import SourceId
from streams.session.grants import Grants
from streams.session.identity import Grant

GATE, YARD = SourceId("camera/gate"), SourceId("camera/yard")


def test_each_end_is_told_once_but_not_what_the_api_knows_already() -> None:
    told: list[tuple[str, str, int]] = []
    grants = Grants(lambda *what: told.append(what))
    for source in (GATE, YARD):
        grants.take(Grant(source, "w0"))
    grants.end(GATE, "revoked", 7)
    grants.end(GATE, "revoked", 7)
    grants.end(YARD, "unsubscribed")
    assert told == [(GATE, "revoked", 7)]
    assert grants.all() == ()


def test_the_newer_grant_of_a_camera_counts() -> None:
    told: list[object] = []
    grants = Grants(lambda *what: told.append(what))
    grants.take(Grant(GATE, "w0"))
    grants.take(Grant(GATE, "w1"))
    held = grants.get(GATE)
    assert held is not None
    assert held.slot == "w1"
    assert told == []


def test_at_the_end_everything_is_given_back() -> None:
    told: list[tuple[str, str, int]] = []
    grants = Grants(lambda *what: told.append(what))
    grants.take(Grant(GATE, ""))
    grants.take(Grant(YARD, ""))
    grants.end_all("expired")
    assert [(source, reason) for source, reason, _ in told] == [(GATE, "expired"), (YARD, "expired")]

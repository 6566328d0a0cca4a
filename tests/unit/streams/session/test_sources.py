from typing import Any

from media.base.ids import SourceId
from streams.publication import TrackName
from streams.rooms.seat import RoomSource
from streams.session.sources import Sources
from tests.unit.streams.session.world import publication, published

ANNA = SourceId("participant/anna")


def shown(*names: TrackName, source: SourceId = ANNA, is_visible: bool = True) -> RoomSource:
    return RoomSource(source, "w0", source.partition("/")[2], frozenset(names), is_visible)


def test_a_source_is_told_once_and_again_when_something_seen_of_it_changes() -> None:
    told: list[dict[str, Any]] = []
    sources = Sources(told.append)
    sources.show([shown(TrackName.CAMERA)], None, ())
    sources.show([shown(TrackName.CAMERA)], None, ())
    assert [(m["state"], m["tracks"][0]["codec"]) for m in told] == [("live", None)]
    made = publication(ANNA, TrackName.CAMERA)
    sources.hold(ANNA, made)
    sources.hold(ANNA, made)
    assert [m["tracks"][0]["codec"] for m in told] == [None, "h264"]
    made.tracks[0].is_live = False
    sources.hold(ANNA, made)
    assert told[-1]["state"] == "offline"


def test_what_the_room_announces_and_what_flows_are_one_list() -> None:
    told: list[dict[str, Any]] = []
    sources = Sources(told.append)
    sources.show([shown(TrackName.CAMERA, TrackName.SCREEN)], None, ())
    sources.hold(ANNA, publication(ANNA, TrackName.CAMERA))
    assert [(t["name"], t["codec"]) for t in told[-1]["tracks"]] == [("camera", "h264"), ("screen", None)]


def test_who_may_not_be_watched_any_more_is_gone_unless_there_is_another_right() -> None:
    told: list[dict[str, Any]] = []
    gate = SourceId("camera/gate")
    sources = Sources(told.append)
    sources.show([shown(TrackName.CAMERA), shown(TrackName.VIDEO, source=gate)], None, ())
    assert sources.show([], None, {gate}) == [ANNA]
    assert {m["source"]: m["state"] for m in told} == {ANNA: "gone", gate: "offline"}
    assert sources.shown(ANNA) is None


def test_ones_own_source_is_not_told() -> None:
    told: list[dict[str, Any]] = []
    sources = Sources(told.append)
    sources.show([shown(TrackName.CAMERA)], ANNA, ())
    assert (told, sources.views()) == ([], [])


def test_what_a_room_shows_is_made_once_for_all() -> None:
    first: list[dict[str, Any]] = []
    second: list[dict[str, Any]] = []
    same = shown(TrackName.CAMERA)
    for told in (first, second):
        Sources(told.append).show([same], None, ())
    assert first[0] is second[0]


def test_what_is_not_visible_may_not_be_watched() -> None:
    sources = Sources(lambda _: None)
    sources.show([shown(TrackName.CAMERA, is_visible=False)], None, ())
    assert sources.shown(ANNA) is None
    assert sources.views() == []


def test_a_source_of_a_wall_is_forgotten_silently_when_it_is_let_go() -> None:
    told: list[dict[str, Any]] = []
    sources = Sources(told.append)
    gate = SourceId("camera/gate")
    made = publication(gate)
    made.put(published(TrackName.VIDEO, rids=("sub", "main")))
    sources.hold(gate, made)
    assert [layer["rid"] for layer in told[0]["tracks"][0]["layers"]] == ["sub", "main"]
    sources.release(gate)
    assert len(told) == 1
    sources.hold(gate, made)
    assert len(told) == 2

"""Cameras stay where they are, until there is no such place any more."""

from api.processes.placement import NODE_GONE_S, Move, NodeWatch, moves
from api.state import SlotInfo


def slot(name: str, *, is_manned: bool = True) -> SlotInfo:
    node, _, number = name.partition("/")
    return SlotInfo(slot=name, node=node, number=int(number), workers=2, socket="", is_manned=is_manned)


def slots(*names: str, unmanned: tuple[str, ...] = ()) -> dict[str, SlotInfo]:
    return {name: slot(name, is_manned=name not in unmanned) for name in names}


def test_a_placed_camera_stays_also_while_its_slot_is_down() -> None:
    assert moves(["a"], {"a": "n/1"}, slots("n/0", "n/1", unmanned=("n/1",)), ()) == []


def test_a_new_camera_gets_a_place() -> None:
    (move,) = moves(["a"], {}, slots("n/0", "n/1"), ())
    assert move.instead_of == ""
    assert move.slot in {"n/0", "n/1"}


def test_cameras_of_a_retired_slot_move() -> None:
    assert moves(["a"], {"a": "n/1"}, slots("n/0"), ()) == [Move("a", "n/1", "n/0")]


def test_cameras_of_a_gone_node_move_to_another() -> None:
    assert moves(["a"], {"a": "n/0"}, slots("n/0", "m/0"), {"n"}) == [Move("a", "n/0", "m/0")]


def test_without_any_slot_nothing_moves() -> None:
    assert moves(["a"], {"a": "n/0"}, {}, ()) == []


def test_a_node_is_gone_only_after_its_time_and_never_the_asker() -> None:
    watch = NodeWatch("m")
    seen = slots("n/0", "n/1", "m/0", unmanned=("n/0", "n/1", "m/0"))
    assert watch.gone(seen, 0) == frozenset()
    assert watch.gone(seen, round((NODE_GONE_S - 1) * 1e9)) == frozenset()
    assert watch.gone(seen, round(NODE_GONE_S * 1e9)) == {"n"}


def test_a_node_with_one_manned_slot_is_there_and_its_time_begins_anew() -> None:
    watch = NodeWatch("m")
    down = slots("n/0", "n/1", unmanned=("n/0", "n/1"))
    watch.gone(down, 0)
    assert watch.gone(slots("n/0", "n/1", unmanned=("n/1",)), round(40e9)) == frozenset()
    assert watch.gone(down, round(41e9)) == frozenset()
    assert watch.gone(down, round(71e9)) == {"n"}

import pytest

from media.base.errors import HubError
from media.base.ids import CameraId, StreamKey, camera_source, check_id, is_id, new_id, parse_source


@pytest.mark.parametrize("good", ["a", "gate-3", "0", "x" * 64])
def test_well_formed_ids(good: str) -> None:
    assert is_id(good)
    assert check_id(good) == good


@pytest.mark.parametrize("bad", ["", "A", "x" * 65, "a/b", "a b", "..", "é", "a\n", "１", "a_b"])
def test_malformed_ids_are_refused(bad: str) -> None:
    assert not is_id(bad)
    with pytest.raises(HubError):
        check_id(bad)


def test_source_ids_round_trip() -> None:
    assert parse_source(camera_source(CameraId("gate-3"))) == ("camera", "gate-3")
    assert str(StreamKey(camera_source(CameraId("gate-3")))) == "camera/gate-3:main"


@pytest.mark.parametrize("bad", ["camera", "camera/", "cow/gate", "camera/a/b", "camera/../x"])
def test_malformed_source_ids_are_refused(bad: str) -> None:
    with pytest.raises(HubError):
        parse_source(bad)


def test_new_ids_are_well_formed_and_fresh() -> None:
    ids = {new_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(is_id(i) for i in ids)

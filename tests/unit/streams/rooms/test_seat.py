"""The claims of a seat, as the api sends them."""

import pytest

from media.base.errors import HubError
from streams.rooms.seat import SeatClaims
from streams.rooms.values import Role, SeatKind

GIVEN = {"room_id": "r", "home_slot": "2", "participant_id": "p-1", "display_name": "张三", "role": "attendee"}


def test_claims_are_read_and_written_back() -> None:
    claims = SeatClaims.parse(
        GIVEN | {"kind": "venue", "head_count": 12, "venue": "西照川", "user_id": None, "extra": 1}
    )
    assert claims.kind is SeatKind.VENUE
    assert claims.role is Role.ATTENDEE
    assert claims.user_id == ""
    assert SeatClaims.parse(claims.as_json()) == claims


@pytest.mark.parametrize("wrong", [{"role": "king"}, {"kind": "cat"}, {"room_id": None}, {"role": None}])
def test_other_things_are_no_claims(wrong) -> None:
    with pytest.raises(HubError) as error:
        SeatClaims.parse(GIVEN | wrong)
    assert error.value.code == "bad_message"

import pytest

from media.base.errors import ErrorKind, HubError
from streams.session.codes import CAN_RESUME, CLOSE_NUMBERS, CLOSE_SENTENCES, ERROR_CODES, ClosingCode, code_of
from tests.unit.streams.session import signaling


def test_the_page_lists_every_error_and_no_other() -> None:
    listed = signaling.first_cells(signaling.section("Errors"))
    assert sorted(listed) == sorted(ERROR_CODES)


def test_the_page_lists_every_end_and_no_other() -> None:
    listed = signaling.first_cells(signaling.section("The end"))
    assert sorted(listed) == sorted(CLOSE_NUMBERS) == sorted(CLOSE_SENTENCES) == sorted(ClosingCode.__args__)


def test_the_page_says_of_every_end_its_number_and_whether_one_may_resume() -> None:
    for line in signaling.section("The end").split("\n"):
        for code in signaling.first_cells(line):
            _, _, number, can_resume, _ = (cell.strip() for cell in line.split("|", 4))
            assert (int(number), can_resume == "yes") == (CLOSE_NUMBERS[code], code in CAN_RESUME), code


def test_codes_of_the_list_pass_as_they_are() -> None:
    assert code_of(HubError(ErrorKind.CONFLICT, "x", code="already_sharing")) == "already_sharing"


@pytest.mark.parametrize(
    ("code", "expected"), [("camera_offline", "source_offline"), ("no_worker", "worker_unavailable")]
)
def test_codes_of_other_layers_are_translated(code: str, expected: str) -> None:
    assert code_of(HubError(ErrorKind.UNAVAILABLE, "x", code=code)) == expected


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_whatever_the_error_the_page_knows_its_code(kind: ErrorKind) -> None:
    assert code_of(HubError(kind, "x", code="heard_of_by_nobody")) in ERROR_CODES

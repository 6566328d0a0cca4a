"""Sentences for people."""

import re
from pathlib import Path

import pytest

import api
from api.messages import OF_CLOSING, OF_CODE, OF_KIND, locale_of, sentence
from media.base.errors import ErrorKind
from streams.session.codes import CLOSE_NUMBERS

HERE = Path(api.__file__).parent
OURS = (
    "auth/", "camera_import/", "control/", "db/", "forward/", "http/", "routes/", "schemas/", "secrets/source_urls.py",
    "services/",
)  # fmt: skip
"""Where the errors begin that reach clients; what the rest raises is read on the operator's terminal."""


def test_every_code_of_the_control_plane_has_a_sentence() -> None:
    codes = set()
    for path in HERE.rglob("*.py"):
        if path.relative_to(HERE).as_posix().startswith(OURS):
            codes |= set(re.findall(r'code="([a-z_]+)"', path.read_text()))
    assert len(codes) > 40
    assert codes - OF_CODE.keys() == set()


def test_every_kind_has_a_sentence_in_both_languages() -> None:
    assert OF_KIND.keys() == set(ErrorKind)
    for one in (*OF_KIND.values(), *OF_CODE.values(), *OF_CLOSING.values()):
        assert re.search(r"[\u4e00-\u9fff]", one.zh)
        assert one.en.isascii()


def test_an_unknown_code_gets_the_sentence_of_its_kind() -> None:
    assert sentence("never_heard_of", ErrorKind.CONFLICT, "en") == OF_KIND[ErrorKind.CONFLICT].en


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        ("", "zh-CN"), ("en", "en"), ("en-US,en;q=0.9,zh;q=0.8", "en"), ("zh-TW,en;q=0.5", "zh-CN"), ("fr", "zh-CN"),
        ("en;q=0", "zh-CN"), ("en;q=x", "zh-CN"), ("en;q=nan", "zh-CN"), ("fr;q=1, en;q=0.2, zh;q=0.1", "en"), (";;,,=" * 50, "zh-CN"),
    ],
)  # fmt: skip
def test_the_language_is_the_browsers(header: str, locale: str) -> None:
    assert locale_of(header) == locale


def test_every_end_of_a_session_has_a_sentence() -> None:
    assert OF_CLOSING.keys() == CLOSE_NUMBERS.keys()

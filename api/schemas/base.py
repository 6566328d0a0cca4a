"""The ground of all request models: text without control characters, numbers that are numbers, times with a zone.

Pure. Strings are checked before anything else sees them: NUL bytes (PostgreSQL refuses them), other control
characters and lone surrogates never get past this point.
"""

import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from media.base.clock import rfc3339
from media.base.ids import is_id

_MAX_DEPTH = 8
_LINE_BREAKS = frozenset("\n\r\t")


def clean_text(text: str) -> str:
    """Return `text` in NFC; ValueError when it holds control characters or lone surrogates."""
    if any(unicodedata.category(char) in {"Cc", "Cs"} and char not in _LINE_BREAKS for char in text):
        raise ValueError("holds characters that are not allowed")
    return unicodedata.normalize("NFC", text)


def _check(value: Any, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ValueError("is nested too deeply")
    if isinstance(value, str):
        clean_text(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check(key, depth + 1)
            _check(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)


def _id(text: str) -> str:
    if not is_id(text):
        raise ValueError("an id is 1 to 64 characters of a-z, 0-9 and -")
    return text


class Input(BaseModel):
    """A request body."""

    model_config = ConfigDict(
        str_strip_whitespace=True, allow_inf_nan=False, hide_input_in_errors=True, frozen=True, extra="ignore"
    )

    @model_validator(mode="before")
    @classmethod
    def _no_bad_text(cls, value: Any) -> Any:
        _check(value, 0)
        return value


class Output(BaseModel):
    """A response body."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Id = Annotated[str, AfterValidator(_id)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(clean_text)]
ShortText = Annotated[str, StringConstraints(max_length=100), AfterValidator(clean_text)]
LongText = Annotated[str, StringConstraints(max_length=500), AfterValidator(clean_text)]
Password = Annotated[str, StringConstraints(min_length=1, max_length=256, strip_whitespace=False)]
Locale = Annotated[str, Field(pattern=r"^(zh-CN|en)$")]


def moment(wall_us: int) -> str:
    """Return RFC 3339."""
    return rfc3339(wall_us)


def moment_or_none(wall_us: int | None) -> str | None:
    """Return RFC 3339, or None."""
    return None if wall_us is None else rfc3339(wall_us)

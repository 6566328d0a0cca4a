"""`?limit=&cursor=` of lists. A cursor is opaque to clients; a forged one is refused or simply finds less."""

import base64
import binascii
from typing import Annotated

from fastapi import Query

from api.schemas.base import clean_text
from media.base.errors import ErrorKind, HubError

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
Cursor = Annotated[str | None, Query(max_length=600)]
"""Long enough for an organisation's path in base64."""


def encode_cursor(key: str | None) -> str | None:
    """Return the cursor that goes on after `key`, None at the end."""
    return None if key is None else base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> str:
    """Return the key in `cursor`, empty without one; HubError INVALID `invalid_cursor`."""
    if not cursor:
        return ""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        return clean_text(base64.b64decode(padded, altchars=b"-_", validate=True).decode())
    except (ValueError, binascii.Error):
        raise HubError(ErrorKind.INVALID, "not a cursor of ours", code="invalid_cursor") from None


def decode_number(cursor: str | None) -> int | None:
    """Return the number in `cursor`, None without one; HubError INVALID `invalid_cursor`."""
    key = decode_cursor(cursor)
    if not key:
        return None
    if not (key.isascii() and key.isdigit() and len(key) < 18):
        raise HubError(ErrorKind.INVALID, "not a cursor of ours", code="invalid_cursor")
    return int(key)

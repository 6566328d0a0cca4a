"""HTTP byte ranges (RFC 9110 §14). Pure.

One range per request; several are answered as if none was asked, which the RFC allows.
"""

import re

from media.base.errors import ErrorKind, HubError

_RANGE = re.compile(r"bytes=(?:(\d{1,18})-(\d{1,18})?|-(\d{1,18}))", re.ASCII)


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return [start, end) of the one range asked for, or None for the whole.

    A header that is malformed or names another unit is ignored. HubError INVALID `range_not_satisfiable` (416) when
    nothing of the range exists.
    """
    found = _RANGE.fullmatch(header.strip().replace(" ", "")) if header is not None else None
    if found is None:
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        start, end = max(0, size - int(suffix)), size
    else:
        start, end = int(first), min(size, int(last) + 1 if last is not None else size)
        if last is not None and int(last) < int(first):
            return None
    if start >= size or start >= end:
        raise HubError(
            ErrorKind.INVALID, "this range lies outside the file", code="range_not_satisfiable", size_bytes=size
        )
    return start, end

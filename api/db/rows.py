"""From SQL rows to frozen values, and the cursors of lists. Used by the query modules of this folder only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Row, Select
from sqlalchemy.ext.asyncio import AsyncConnection

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Part of a list; `next_key` is the sort key to go on after, None at the end."""

    items: tuple[T, ...]
    next_key: str | None


def value_of(cls: type[T], row: Row[Any]) -> T:
    """Return `row` as a `cls`, whose fields are named like the columns."""
    return cls(**row._mapping)  # noqa: SLF001  # the documented name of a row's mapping


async def all_of(connection: AsyncConnection, cls: type[T], query: Select[Any]) -> tuple[T, ...]:
    """Return every row of `query` as `cls`."""
    return tuple(value_of(cls, row) for row in await connection.execute(query))


async def first_of(connection: AsyncConnection, cls: type[T], query: Select[Any]) -> T | None:
    """Return the first row of `query` as `cls`, or None."""
    row = (await connection.execute(query)).first()
    return None if row is None else value_of(cls, row)


def page_of(rows: Sequence[T], limit: int, key: str) -> Page[T]:
    """Return a page of `rows`, which were asked for with `limit + 1`; `key` names the field they are sorted by."""
    kept = tuple(rows[:limit])
    return Page(kept, str(getattr(kept[-1], key)) if len(rows) > limit else None)

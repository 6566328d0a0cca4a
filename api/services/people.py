"""The people of one's county, as far as one must know them to invite or ring them: name and place, nothing else."""

from dataclasses import dataclass

from api.auth.principal import Principal
from api.context import ApiContext
from api.db import orgs, users
from api.db.rows import Page
from api.services.endpoints import county_of


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account that is in use."""

    user_id: str
    display_name: str
    org_id: str | None
    org_name: str


async def page(ctx: ApiContext, reader: Principal, text: str, after: str, limit: int) -> Page[Person]:
    """Return people of the reader's county by id, those whose name holds `text`."""
    async with ctx.db.read() as connection:
        found = await users.directory(connection, county_of(reader), text, after, limit)
        places = await orgs.some(connection, {user.org_id for user in found.items if user.org_id})
    names = {org.id: org.name for org in places}
    people = (Person(one.id, one.display_name, one.org_id, names.get(one.org_id or "", "")) for one in found.items)
    return Page(tuple(people), found.next_key)

"""Whether everybody of a room's organisation may come in is said, not concluded from its having no members."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rooms", sa.Column("is_for_everybody", sa.Boolean(), nullable=False, server_default=sa.false()))
    rooms, members = sa.table("rooms", *map(sa.column, ("id", "kind", "is_for_everybody"))), sa.table("room_members", sa.column("room_id"))
    is_bare = ~sa.exists().where(members.c.room_id == rooms.c.id)
    op.execute(rooms.update().where(is_bare, rooms.c.kind != "call").values(is_for_everybody=sa.true()))

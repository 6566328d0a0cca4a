"""Grants and views of what was recorded of meetings."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("playback_grants", sa.Column("room_id", sa.String(64), nullable=True))
    op.add_column("replay_views", sa.Column("room_id", sa.String(64), nullable=True))

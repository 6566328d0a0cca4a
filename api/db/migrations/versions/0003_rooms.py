"""Rooms with members, invitations and seats; sessions and their tokens; cameras in rooms; endpoints and calls."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    extend_live_sessions()
    create_rooms()
    create_membership()
    create_seats()
    create_room_events()
    create_room_cameras()
    create_session_tokens()
    create_sessions()
    create_endpoints()
    create_calls()


def text(name: str, size: int, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=size), nullable=nullable)


def number(name: str, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable, autoincrement=False)


def flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def ending() -> tuple[sa.Column[int], sa.Column[str]]:
    return number("ended_us", True), text("end_reason", 40, True)


def key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def of_room(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f(f"fk_{table}_room_id"), ondelete="CASCADE")


def unique(table: str, column: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(column, name=op.f(f"uq_{table}_{column}"))


def index(table: str, *columns: str) -> None:
    for column in columns:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)


def extend_live_sessions() -> None:
    op.add_column("live_sessions", text("session_id", 64, True))
    op.add_column("live_sessions", text("room_id", 64, True))
    index("live_sessions", "session_id")


def create_rooms() -> None:
    op.create_table(
        "rooms",
        text("id", 64), text("name", 100), text("kind", 16), text("org_id", 64, True), text("org_path", 260),
        text("created_by", 64, True), text("speech", 8), flag("has_lobby"), flag("is_locked"), flag("is_recorded"),
        sa.Column("max_participants", sa.Integer(), nullable=False),
        number("starts_us", True), sa.Column("duration_minutes", sa.Integer(), nullable=True), number("begins_us"),
        text("slot", 80, True), number("journal_seq"), sa.Column("version", sa.Integer(), nullable=False),
        number("created_us"), number("updated_us"), *ending(), key("rooms", "id"),
    )
    index("rooms", "org_path", "created_by", "begins_us", "ended_us")


def create_membership() -> None:
    op.create_table(
        "room_members",
        text("room_id", 64), text("kind", 8), text("member_id", 64), text("org_path", 260, True), text("role", 16),
        number("added_us"), of_room("room_members"), key("room_members", "room_id", "kind", "member_id"),
    )
    op.create_index("ix_room_members_member", "room_members", ["kind", "member_id"], unique=False)
    op.create_table(
        "room_invites",
        text("room_id", 64), text("token_hash", 64), text("passcode_hash", 64),
        sa.Column("sealed", sa.Text(), nullable=False), number("created_us"),
        of_room("room_invites"), key("room_invites", "room_id"), unique("room_invites", "token_hash"),
    )


def create_seats() -> None:
    op.create_table(
        "room_seats",
        text("room_id", 64), text("participant_id", 64), text("user_id", 64, True), text("login_session_id", 64, True),
        text("kind", 8), text("role", 16), text("display_name", 100), text("venue", 100),
        sa.Column("head_count", sa.Integer(), nullable=False), text("org_id", 64, True), text("org_name", 100),
        flag("is_guest"), number("created_us"), key("room_seats", "room_id", "participant_id"),
    )
    index("room_seats", "user_id")


def create_room_events() -> None:
    op.create_table(
        "room_events",
        text("room_id", 64), number("seq"), number("at_us"), text("kind", 40),
        sa.Column("data", sa.Text(), nullable=False), key("room_events", "room_id", "seq"),
    )


def create_room_cameras() -> None:
    op.create_table(
        "room_cameras",
        text("id", 64), text("room_id", 64), text("camera_id", 64), text("camera_name", 100), text("org_path", 260),
        text("user_id", 64), text("username", 64), text("login_session_id", 64), text("address", 64),
        sa.Column("viewers", sa.Text(), nullable=False), number("started_us"), *ending(), key("room_cameras", "id"),
    )
    index("room_cameras", "room_id")
    op.create_index("ix_room_cameras_open", "room_cameras", ["ended_us"], unique=False)


def create_session_tokens() -> None:
    op.create_table(
        "session_tokens",
        text("token_hash", 64), text("user_id", 64, True), text("login_session_id", 64, True),
        text("room_id", 64, True), text("participant_id", 64, True), number("issued_us"), number("expires_us"),
        number("used_us", True), key("session_tokens", "token_hash"),
    )
    index("session_tokens", "expires_us")


def create_sessions() -> None:
    op.create_table(
        "sessions",
        text("id", 64), text("user_id", 64, True), text("username", 64), text("login_session_id", 64, True),
        text("room_id", 64, True), text("participant_id", 64, True), text("slot", 80), text("resume_hash", 64),
        text("address", 64), number("started_us"), *ending(), key("sessions", "id"), unique("sessions", "resume_hash"),
    )
    index("sessions", "room_id")
    op.create_index("ix_sessions_open", "sessions", ["ended_us", "user_id"], unique=False)


def create_endpoints() -> None:
    op.create_table(
        "endpoints",
        text("id", 64), text("name", 100), text("org_id", 64, True), text("org_path", 260), text("kind", 8),
        text("user_id", 64), flag("auto_answer"), number("created_us"), number("updated_us"), key("endpoints", "id"),
    )
    index("endpoints", "org_path")


def create_calls() -> None:
    op.create_table(
        "calls",
        text("id", 64), text("room_id", 64), text("from_user_id", 64), text("from_name", 100), text("to_user_id", 64),
        text("to_name", 100), text("endpoint_id", 64, True), flag("audio_only"), flag("auto_answer"), text("state", 16),
        text("reason", 40, True), number("created_us"), number("deadline_us"), number("answered_us", True),
        number("ended_us", True), key("calls", "id"), unique("calls", "room_id"),
    )
    index("calls", "from_user_id", "to_user_id", "state")

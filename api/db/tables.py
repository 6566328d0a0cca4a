"""The tables, as the migrations make them; a test compares the two.

Times are microseconds since 1970 in UTC (BIGINT) and named `*_us`. Ids are text of the id grammar. History (audit,
sessions, grants, views) keeps ids without foreign keys: it outlives what it speaks of.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ID = String(64)

orgs = Table(
    "orgs",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("level", String(16), nullable=False),
    Column("parent_id", ID, ForeignKey("orgs.id"), index=True),
    Column("code", String(32)),
    Column("path", String(260), nullable=False, unique=True),
    Column("created_us", BigInteger, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", ID, primary_key=True),
    Column("username", String(64), nullable=False, unique=True),
    Column("display_name", String(100), nullable=False),
    Column("password_hash", String(255), nullable=False),
    Column("org_id", ID, ForeignKey("orgs.id"), index=True),
    Column("enabled", Boolean, nullable=False),
    Column("locale", String(16), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
)

user_roles = Table(
    "user_roles",
    metadata,
    Column("user_id", ID, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("role", String(32), primary_key=True),
)

cameras = Table(
    "cameras",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("org_id", ID, ForeignKey("orgs.id"), nullable=False, index=True),
    Column("source_url_enc", Text, nullable=False),
    Column("sub_source_url_enc", Text),
    Column("source_url_masked", Text, nullable=False),
    Column("sub_source_url_masked", Text),
    Column("transport", String(8), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("recording_mode", String(16), nullable=False),
    Column("retention_days", Integer, nullable=False),
    Column("address", String(200)),
    Column("longitude", Float(53)),
    Column("latitude", Float(53)),
    Column("gb_code", String(20), unique=True),
    Column("manufacturer", String(100)),
    Column("model", String(100)),
    Column("managing_unit", String(100)),
    Column("note", String(500)),
    Column("version", Integer, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("recording_schedule", Text),  # JSON list of {days, start, end}
)

camera_grants = Table(
    "camera_grants",
    metadata,
    Column("user_id", ID, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("camera_id", ID, ForeignKey("cameras.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("verb", String(32), primary_key=True),
    Column("expires_us", BigInteger),
    Column("created_us", BigInteger, nullable=False),
)

login_sessions = Table(
    "login_sessions",
    metadata,
    Column("id", ID, primary_key=True),
    Column("user_id", ID, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("address", String(64), nullable=False),
    Column("user_agent", String(200), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False, index=True),
    Column("revoked_us", BigInteger),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("session_id", ID, ForeignKey("login_sessions.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("issued_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("used_us", BigInteger),
)

login_failures = Table(
    "login_failures",
    metadata,
    Column("username", String(64), primary_key=True),
    Column("address", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_us", BigInteger, nullable=False, index=True),
    Column("locked_until_us", BigInteger, nullable=False),
)

live_sessions = Table(
    "live_sessions",
    metadata,
    Column("id", ID, primary_key=True),
    Column("user_id", ID, nullable=False),
    Column("username", String(64), nullable=False),
    Column("login_session_id", ID, nullable=False),
    Column("camera_id", ID, nullable=False),
    Column("org_path", String(260), nullable=False),
    Column("quality", String(8), nullable=False),
    Column("slot", String(80), nullable=False),
    Column("address", String(64), nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    Column("end_reason", String(40)),
    Column("session_id", ID, index=True),  # of the session protocol; none for WHEP
    Column("room_id", ID),  # a camera seen because the room shows it
    Index("ix_live_sessions_open", "ended_us", "user_id"),
)

playback_grants = Table(
    "playback_grants",
    metadata,
    Column("id", ID, primary_key=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("user_id", ID, nullable=False, index=True),
    Column("username", String(64), nullable=False),
    Column("login_session_id", ID, nullable=False),
    Column("verbs", String(100), nullable=False),
    Column("start_us", BigInteger, nullable=False),
    Column("end_us", BigInteger, nullable=False),
    Column("reason", String(500), nullable=False),
    Column("case_no", String(100)),
    Column("unit", String(100)),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False, index=True),
    Column("ended_us", BigInteger),
    Column("room_id", ID),  # of a grant for a meeting, which has no cameras
)

playback_grant_cameras = Table(
    "playback_grant_cameras",
    metadata,
    Column("grant_id", ID, ForeignKey("playback_grants.id", ondelete="CASCADE"), primary_key=True),
    Column("camera_id", ID, primary_key=True),
)

replay_views = Table(
    "replay_views",
    metadata,
    Column("id", ID, primary_key=True),
    Column("grant_id", ID, nullable=False, index=True),
    Column("user_id", ID, nullable=False),
    Column("username", String(64), nullable=False),
    Column("login_session_id", ID, nullable=False),
    Column("camera_id", ID, nullable=False),
    Column("org_path", String(260), nullable=False),
    Column("address", String(64), nullable=False),
    Column("verb", String(32), nullable=False),
    Column("span", String(64), nullable=False),
    Column("opened_us", BigInteger, nullable=False),
    Column("last_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger, index=True),
    Column("room_id", ID),  # then camera_id is a track of the meeting
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, nullable=False, index=True),
    Column("user_id", ID, index=True),
    Column("username", String(64), nullable=False),
    Column("address", String(64), nullable=False),
    Column("action", String(40), nullable=False, index=True),
    Column("target_kind", String(24), nullable=False),
    Column("target_id", String(64), nullable=False),
    Column("org_path", String(260), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("details", Text, nullable=False),
    Column("trace_id", String(40), nullable=False),
    Column("prev_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

# --- rooms, seats, sessions, calls ------------------------------------------------------------------------------------

rooms = Table(
    "rooms",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("org_id", ID),
    Column("org_path", String(260), nullable=False, index=True),
    Column("created_by", ID, index=True),
    Column("speech", String(8), nullable=False),
    Column("has_lobby", Boolean, nullable=False),
    Column("is_locked", Boolean, nullable=False),
    Column("is_for_everybody", Boolean, nullable=False),  # of its organisation's subtree, members or not
    Column("is_recorded", Boolean, nullable=False),
    Column("max_participants", Integer, nullable=False),
    Column("starts_us", BigInteger),
    Column("duration_minutes", Integer),
    Column("begins_us", BigInteger, nullable=False, index=True),  # what lists are sorted by: starts_us, else created_us
    Column("slot", String(80)),
    Column("journal_seq", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger, index=True),
    Column("end_reason", String(40)),
)

room_members = Table(
    "room_members",
    metadata,
    Column("room_id", ID, ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", String(8), primary_key=True),  # user, or org with its whole subtree
    Column("member_id", ID, primary_key=True),
    Column("org_path", String(260)),  # of an org
    Column("role", String(16), nullable=False),
    Column("added_us", BigInteger, nullable=False),
    Index("ix_room_members_member", "kind", "member_id"),
)

room_invites = Table(
    "room_invites",
    metadata,
    Column("room_id", ID, ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("passcode_hash", String(64), nullable=False),
    Column("sealed", Text, nullable=False),  # both in clear, encrypted, to be shown to the chair again
    Column("created_us", BigInteger, nullable=False),
)

room_seats = Table(
    "room_seats",
    metadata,
    Column("room_id", ID, primary_key=True),
    Column("participant_id", ID, primary_key=True),
    Column("user_id", ID, index=True),
    Column("login_session_id", ID),
    Column("kind", String(8), nullable=False),
    Column("role", String(16), nullable=False),
    Column("display_name", String(100), nullable=False),
    Column("venue", String(100), nullable=False),
    Column("head_count", Integer, nullable=False),
    Column("org_id", ID),
    Column("org_name", String(100), nullable=False),
    Column("is_guest", Boolean, nullable=False),
    Column("created_us", BigInteger, nullable=False),
)

room_events = Table(
    "room_events",
    metadata,
    Column("room_id", ID, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("data", Text, nullable=False),
)

room_cameras = Table(
    "room_cameras",
    metadata,
    Column("id", ID, primary_key=True),
    Column("room_id", ID, nullable=False, index=True),
    Column("camera_id", ID, nullable=False),
    Column("camera_name", String(100), nullable=False),
    Column("org_path", String(260), nullable=False),
    Column("user_id", ID, nullable=False),
    Column("username", String(64), nullable=False),
    Column("login_session_id", ID, nullable=False),
    Column("address", String(64), nullable=False),
    Column("viewers", Text, nullable=False),  # JSON list: who was in the room when it was shown
    Column("started_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    Column("end_reason", String(40)),
    Index("ix_room_cameras_open", "ended_us"),
)

session_tokens = Table(
    "session_tokens",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("user_id", ID),
    Column("login_session_id", ID),
    Column("room_id", ID),
    Column("participant_id", ID),
    Column("issued_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False, index=True),
    Column("used_us", BigInteger),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", ID, primary_key=True),
    Column("user_id", ID),
    Column("username", String(64), nullable=False),
    Column("login_session_id", ID),
    Column("room_id", ID, index=True),
    Column("participant_id", ID),
    Column("slot", String(80), nullable=False),
    Column("resume_hash", String(64), nullable=False, unique=True),
    Column("address", String(64), nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    Column("end_reason", String(40)),
    Index("ix_sessions_open", "ended_us", "user_id"),
)

endpoints = Table(
    "endpoints",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("org_id", ID),
    Column("org_path", String(260), nullable=False, index=True),
    Column("kind", String(8), nullable=False),
    Column("user_id", ID, nullable=False),
    Column("auto_answer", Boolean, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
)

calls = Table(
    "calls",
    metadata,
    Column("id", ID, primary_key=True),
    Column("room_id", ID, nullable=False, unique=True),
    Column("from_user_id", ID, nullable=False, index=True),
    Column("from_name", String(100), nullable=False),
    Column("to_user_id", ID, nullable=False, index=True),
    Column("to_name", String(100), nullable=False),
    Column("endpoint_id", ID),
    Column("audio_only", Boolean, nullable=False),
    Column("auto_answer", Boolean, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("reason", String(40)),
    Column("created_us", BigInteger, nullable=False),
    Column("deadline_us", BigInteger, nullable=False),
    Column("answered_us", BigInteger),
    Column("ended_us", BigInteger),
)

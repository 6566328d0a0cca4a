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

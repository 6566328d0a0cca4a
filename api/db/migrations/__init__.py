"""Alembic's folder: `env.py` runs inside a transaction given by `api.db.migrate`; `versions` holds the steps."""

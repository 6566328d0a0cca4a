"""Alembic's entry: runs the steps on the connection that `api.db.migrate` put into the attributes.

Never opens a connection of its own, so a URL with a password lies in no configuration file.
"""

from alembic import context
from sqlalchemy.engine import Connection

from api.db.tables import metadata

connection: Connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=connection.dialect.name == "sqlite")
with context.begin_transaction():
    context.run_migrations()

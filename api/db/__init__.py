"""The control plane's tables and every SQL sentence; the only folder that knows SQLAlchemy."""

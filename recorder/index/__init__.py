"""The index of one volume: the single door to sqlite3."""

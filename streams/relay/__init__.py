"""Sources and control messages between workers, each source once per worker."""

"""The way to the private apps of workers and replay, and the bytes that come back through it."""

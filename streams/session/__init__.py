"""One browser's session on a worker: messages in and out, its peer connections, its seat in a room."""

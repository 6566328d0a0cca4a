"""The floor everything stands on: clocks, error kinds, ids, tasks, bounded queues, logging. Knows nothing of video."""

"""Where media rests: segments, index, retention, replay. Never imports `streams`."""

"""Sources that pull: one module per way in."""

"""Keys and what they protect: the hub's secret, camera addresses at rest, certificates."""

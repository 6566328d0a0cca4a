"""What lives as long as the api process, beside its context: limits, figures, listeners, background tasks."""

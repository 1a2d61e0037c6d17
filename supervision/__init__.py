"""Who starts, watches, restarts and stops."""

"""Who we speak to: one folder a venue, each codec separate from its I/O; and the sandbox."""

"""The demonstration: sandbox venues, a master session, and the engine copying it."""

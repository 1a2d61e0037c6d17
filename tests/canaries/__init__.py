"""Secrets are planted wherever an engine is given one; none may come out of it anywhere."""

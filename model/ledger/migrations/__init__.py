"""Numbered steps from an empty database to the present schema; a step never changes once released."""

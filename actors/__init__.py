"""Who owns which state: one file an actor."""

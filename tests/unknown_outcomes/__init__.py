"""Orders whose answer says nothing: whatever becomes of them, none is sent twice, lost or settled on a guess.

``python -m tests.unknown_outcomes`` runs as many cases as it is asked for; each is made from its number.
"""

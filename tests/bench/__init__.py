"""The bench of the copy path: `python -m tests.bench`. Prints figures beside their goals; no timed test.

Venue, copier and floor are processes of their own on real loopback sockets. All their stamps are
``time.perf_counter_ns()``, which processes of one host share.
"""

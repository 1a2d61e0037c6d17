"""A long day: what grows with time is found by letting time pass, virtual and real."""

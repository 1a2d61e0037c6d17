"""What is fuzzed: functions that take bytes from outside and must answer with their own errors only.

`python -m tests.fuzz` runs them for long, guided by coverage where atheris is installed; the tests run them
for a moment, with hypothesis.
"""

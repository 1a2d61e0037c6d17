"""A signal for tasks of one actor that wait for news."""

import trio


class Bell:
    """Wakes everybody who waits for news now; who takes ``next`` before it looks misses none."""

    def __init__(self) -> None:
        self._event = trio.Event()

    @property
    def next(self) -> trio.Event:
        """What the next ringing sets."""
        return self._event

    def ring(self) -> None:
        """Wake everybody."""
        self._event.set()
        self._event = trio.Event()

"""The last step of a pushed frame: here it is lost, doubled, held back, spoilt or sent."""

import trio

from exchanges.sandbox.faults import FaultKind
from exchanges.sandbox.venue import SandboxVenue
from exchanges.sandbox.websocket import ServerWebSocket

HELD_BACK_S = 0.2
AFTER_S = 1e-6
"""Puts a frame behind those that leave at this very moment."""


class Pusher:
    """Pushes one socket's frames through the venue's faults, in order unless a fault says otherwise."""

    def __init__(self, socket: ServerWebSocket, venue: SandboxVenue) -> None:
        self._socket = socket
        self._venue = venue
        self._last: dict[str, str] = {}
        self._held: list[str] = []
        self._waiting = 0
        self._until = 0.0
        """When the last frame that waits will leave."""

    def push(self, topic: str, text: str) -> None:
        """Send a frame of a topic, as far as the faults let it."""
        if not self._venue.faults.any and not self._held and not self._waiting:
            self._last[topic] = text
            self._socket.post(text)
            return
        for frame in self._spoiled(topic, text):
            self._send(topic, frame)

    def _spoiled(self, topic: str, text: str) -> list[str]:
        """Return what is to be sent now for this frame."""
        previous = self._last.get(topic)
        self._last[topic] = text
        if self._strikes(FaultKind.DROP_FRAME, topic):
            return []
        if self._strikes(FaultKind.REORDER_FRAME, topic):
            self._held.append(text)
            self._venue.later(HELD_BACK_S, lambda: self._release(topic))
            return []
        if self._strikes(FaultKind.MALFORM_FRAME, topic):
            text = text[: len(text) // 2]
        frames = [text, text] if self._strikes(FaultKind.DUPLICATE_FRAME, topic) else [text]
        if previous is not None and self._strikes(FaultKind.STALE_FRAME, topic):
            frames.append(previous)
        frames += self._held
        self._held = []
        return frames

    def _release(self, topic: str) -> None:
        held, self._held = self._held, []
        for frame in held:
            self._send(topic, frame)

    def _send(self, topic: str, frame: str) -> None:
        """Post now, or later: a frame that waits holds back those behind it, as a slow line does."""
        account = self._socket.peer.account
        delay_s = self._venue.faults.delay_s(FaultKind.DELAY_FRAME, account=account, topic=topic)
        if not delay_s and not self._waiting:
            self._socket.post(frame)
            return
        now = trio.current_time()
        self._until = max(now + delay_s, self._until)
        self._waiting += 1
        self._venue.later(max(self._until - now, AFTER_S), lambda: self._post(frame))

    def _post(self, frame: str) -> None:
        self._waiting -= 1
        self._socket.post(frame)

    def _strikes(self, kind: FaultKind, topic: str) -> bool:
        return self._venue.faults.strike(kind, account=self._socket.peer.account, topic=topic) is not None

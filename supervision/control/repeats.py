"""Answers that are kept so that a repeated call gets the same one (a call's `request_id`)."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping

import attrs
import trio

from supervision.control.errors import Conflict, ControlError, InternalError, RateLimited

KEPT_S = 24 * 3600.0
ANSWERS_MAX = 10_000
RUNNING_MAX = 64

Key = tuple[int, str]


@attrs.define(eq=False)
class Kept:
    """A call that is under way or was answered."""

    fingerprint: bytes
    began_at: float
    done: trio.Event = attrs.field(factory=trio.Event)
    result: object = None
    error: ControlError | None = None


class KeptAnswers:
    """Answers by (uid, request_id): bounded, in memory, for 24 h of trio time (R20)."""

    def __init__(self, *, capacity: int = ANSWERS_MAX, kept_s: float = KEPT_S) -> None:
        self._kept: OrderedDict[Key, Kept] = OrderedDict()
        self._capacity = capacity
        self._kept_s = kept_s
        self._running = 0

    def __len__(self) -> int:
        return len(self._kept)

    async def answer(
        self, key: Key, fingerprint: bytes, work: Callable[[], Awaitable[object]], nursery: trio.Nursery
    ) -> object:
        """Return what ``work`` answered the first time it was asked for under ``key``.

        It runs in ``nursery``, so it is finished even when the caller goes. An unexpected failure is not
        kept: a repetition tries again.
        Raises: ControlError as the first time; Conflict when the key was used for another call.
        """
        self._forget_old()
        kept = self._kept.get(key)
        if kept is None:
            kept = self._begin(key, fingerprint, work, nursery)
        elif kept.fingerprint != fingerprint:
            raise Conflict("this request_id was used for another call", hint="a new request_id per call")
        await kept.done.wait()
        if kept.error is not None:
            raise kept.error
        return kept.result

    def _begin(
        self, key: Key, fingerprint: bytes, work: Callable[[], Awaitable[object]], nursery: trio.Nursery
    ) -> Kept:
        if self._running >= RUNNING_MAX:
            raise RateLimited(f"{RUNNING_MAX} mutating calls are under way", retry_after_s=1.0)
        kept = self._kept[key] = Kept(fingerprint, trio.current_time())
        self._running += 1
        nursery.start_soon(self._run, key, kept, work)
        return kept

    async def _run(self, key: Key, kept: Kept, work: Callable[[], Awaitable[object]]) -> None:
        kept.error = InternalError("the engine stopped before it was done", hint="repeat the call")
        try:
            kept.result = await work()
            kept.error = None
        except ControlError as error:
            kept.error = error
        finally:
            self._running -= 1
            kept.done.set()
            if isinstance(kept.error, InternalError) and self._kept.get(key) is kept:
                del self._kept[key]

    def _forget_old(self) -> None:
        oldest = trio.current_time() - self._kept_s
        while self._kept:
            key, kept = next(iter(self._kept.items()))
            if kept.began_at >= oldest and len(self._kept) <= self._capacity:
                return
            del self._kept[key]


def fingerprint(method: str, params: Mapping[str, object]) -> bytes:
    """Return what tells one call from another; secrets in it cannot be read back."""
    text = json.dumps([method, params], sort_keys=True, default=str)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()

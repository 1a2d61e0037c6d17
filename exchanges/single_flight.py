"""A read that all who ask while it runs share, its failure too."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import attrs
import trio

from exchanges.errors import ExchangeError

T = TypeVar("T")


@attrs.define(eq=False)
class _Flight(Generic[T]):
    ended: trio.Event = attrs.field(factory=trio.Event)
    answers: list[T] = attrs.field(factory=list)
    """One; none of a read that failed or was cancelled."""
    error: ExchangeError | None = None


class SingleFlight(Generic[T]):
    """Hands the read that runs to whoever asks meanwhile, though it began before he asked."""

    __slots__ = ("_newest",)

    def __init__(self) -> None:
        self._newest: _Flight[T] | None = None

    async def share(self, read: Callable[[], Awaitable[T]]) -> T:
        """Return what the running read brings, or what ``read`` does; raises as they do.

        A cancelled read is nobody's answer: the first that waited for it reads himself.
        """
        while (flight := self._newest) is not None:
            await flight.ended.wait()
            if flight.error is not None:
                raise flight.error
            if flight.answers:
                return flight.answers[0]
        return await self.lead(read)

    async def lead(self, read: Callable[[], Awaitable[T]]) -> T:
        """Return what ``read`` brings, begun now whatever runs; who asks from here on shares it."""
        flight = self._newest = _Flight[T]()
        try:
            answer = await read()
        except ExchangeError as error:
            flight.error = error
            raise
        else:
            flight.answers.append(answer)
            return answer
        finally:
            if self._newest is flight:
                self._newest = None
            flight.ended.set()

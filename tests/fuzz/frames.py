"""A whole engine whose venues talk nonsense: no actor may end by it but by an error that has a name.

What a venue says is spoiled between the socket and whoever reads it, answers of REST included. Spoiled
words may be valid lies, so nothing is said of positions here: only of who reads them, and that they go
on when the words are true again.
"""

import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from unittest import mock

import attrs
import trio
from trio.testing import MockClock

from exchanges.errors import ExchangeError
from exchanges.http import HttpAnswer, HttpClient
from exchanges.sandbox.refusals import Refused
from exchanges.websocket import WebSocket
from model.amounts import use_money_context
from supervision.events import ActorCrashed
from tests.fuzz.spoiling import spoiled
from tests.houses import VENUES
from tests.world import MASTER, Cast, World, open_world

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
AFTERWARDS = "XRPUSDT"
LOTS = {"BTCUSDT": Decimal("0.01"), "ETHUSDT": Decimal("0.1"), "SOLUSDT": Decimal(2)}
SHARE = 0.4
"""Of all texts: with more hardly anybody gets beyond his first question."""
A_DAY = 2_500
"""Spoiled texts of one engine; then the next one starts from nothing."""
EXPECTED = tuple(kind.__name__ for kind in [ExchangeError, *ExchangeError.__subclasses__()])


@attrs.define
class Venues:
    """Spoils what venues say while it is ``on``."""

    chance: random.Random
    on: bool = False
    count: int = 0

    def text(self, text: str) -> str:
        """Return what is heard instead of ``text``."""
        if not self.on or self.chance.random() >= SHARE:
            return text
        self.count += 1
        return spoiled(self.chance, text)

    @contextmanager
    def between(self) -> Iterator[None]:
        """Stand between every socket and its reader."""
        receive, send = WebSocket.receive, HttpClient.send

        async def misheard(socket: WebSocket) -> str:
            return self.text(await receive(socket)).encode("utf-8", "replace").decode()

        async def misread(client: HttpClient, *args: str, **options: object) -> HttpAnswer:
            answer = await send(client, *args, **options)  # type: ignore[arg-type]
            text = answer.body.decode("utf-8", "replace")
            heard = self.text(text)
            return answer if heard == text else attrs.evolve(answer, body=heard.encode("utf-8", "replace"))

        with (
            mock.patch.object(WebSocket, "receive", misheard),
            mock.patch.object(HttpClient, "send", misread),
        ):
            yield


def nonsense(seed: int, texts: int) -> list[str]:
    """Let an engine hear so many spoiled texts; return what is wrong with it afterwards."""
    use_money_context()
    venues = Venues(random.Random(seed))
    with tempfile.TemporaryDirectory() as directory, venues.between():
        return trio.run(_day, venues, texts, Path(directory), clock=MockClock(autojump_threshold=0))


async def _day(venues: Venues, texts: int, directory: Path) -> list[str]:
    cast = [Cast(name=name, equity="100000", venue=name) for name in ("bybit", *VENUES)]
    async with open_world(directory, *cast, master_equity="100000") as world:
        venues.on = True
        while venues.count < texts:
            _trade(world, venues.chance)
            await trio.sleep(venues.chance.choice((0.01, 0.1, 1.0, 20.0)))
        venues.on = False
        return _crashes(world) or await _goes_on(world)


def _trade(world: World, chance: random.Random) -> None:
    symbol = chance.choice(SYMBOLS)
    with suppress(Refused):
        if world.size(MASTER, symbol) and chance.random() < 0.5:
            world.close(symbol)
        else:
            world.trade(symbol, str(LOTS[symbol] * chance.choice((1, 2, -1))))


def _crashes(world: World) -> list[str]:
    return [
        f"{event.name} crashed: {event.error}\n{event.trace}"
        for event in world.seen(ActorCrashed)
        if event.error.partition(":")[0] not in EXPECTED
    ]


async def _goes_on(world: World) -> list[str]:
    """Tell who does not copy what the master opens once everything said is true and the engine is new.

    A lie about a time far ahead is believed until then: nothing that is true seems newer.
    """
    await world.kill_engine()
    await world.start_engine()
    await trio.sleep(120.0)
    world.trade(AFTERWARDS, "1000")
    await trio.sleep(60.0)
    return [
        f"{name} copies no more: {await world.status(name)} {world.copies(name)[-1:]}"
        for name in (account.settings.name for account in world.followers)
        if not world.size(name, AFTERWARDS)
    ]

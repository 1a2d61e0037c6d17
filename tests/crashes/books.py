"""What the venues' own books say of the followers; the engine's word does not count."""

from collections.abc import Iterator
from decimal import Decimal

import trio

from tests.crashes.storm import LEAVING, UNITS
from tests.crashes.town import MASTER, Resident, Town
from tests.lags import Held

POLL_S = 0.02
QUIET_S = 0.5


def off_target(town: Town) -> list[str]:
    """Return who is not within one lot of where the master's size puts it."""
    return [line for resident in town.residents for line in _off(town, resident)]


def _off(town: Town, resident: Resident) -> Iterator[str]:
    for held, legs in _positions(town, resident):
        if (
            abs(held.size - held.ideal) > held.lot
            or (not held.ideal and any(legs))
            or sum(map(bool, legs)) > 1
        ):
            yield f"{held.key} is {legs}, its target {held.ideal}, a lot {held.lot}"


def _positions(town: Town, resident: Resident) -> Iterator[tuple[Held, list[Decimal]]]:
    """Yield a follower's symbols, each with its net and its legs."""
    house = town.house_of(resident)
    for symbol in (*UNITS, LEAVING):
        ideal = resident.ratio * town.market.core.account(MASTER).size(symbol, 0)
        own = house.own_symbol(symbol)
        legs = [house.core.account(resident.name).size(own, idx) for idx in (0, 1, 2)]
        net, lot = sum(legs, Decimal(0)), house.core.listing(own).lot_size
        yield Held(f"{resident.name}: {own}", net, ideal, lot), legs


def held(town: Town) -> list[Held]:
    """Return what everybody has of every symbol."""
    return [it for resident in town.residents for it, _ in _positions(town, resident)]


def sent_twice(town: Town) -> list[str]:
    """Return every order id that arrived more than once."""
    return [
        f"{house.exchange}: {key} arrived {count} times"
        for house in town.houses
        for key, count in house.core.ledger.sent_twice().items()
    ]


def sandbox_bugs(town: Town) -> list[str]:
    """Return errors of the sandbox itself."""
    return [f"{house.exchange}: {error!r}" for house in town.houses for error in house.server.crashes]


async def wait_converged(town: Town, timeout_s: float) -> list[str]:
    """Wait until everybody is on target and nothing has been sent for a while; else return who is not."""
    with trio.move_on_after(timeout_s):
        quiet_since, seen = trio.current_time(), -1
        while True:
            if off_target(town) or town.orders() != seen:
                quiet_since, seen = trio.current_time(), town.orders()
            elif trio.current_time() - quiet_since >= QUIET_S:
                return []
            await trio.sleep(POLL_S)
    return off_target(town) or ["orders never ended"]

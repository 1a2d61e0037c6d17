"""How an audit looks at everybody (R15).

Asked in small groups, waited for shortly, and some of them read by REST, within the venues' budgets.
"""

from collections.abc import Callable, Iterable, Mapping

import attrs
import trio
from pykka import ActorDeadError

from actors.messages import DescribeLegs, FollowerLegs, LookAtLegs, MasterLeg, MasterLegs, ReadAccount
from actors.runtime import Address
from exchanges.pacing import Budget, Urgency
from model.account_view import STREAM_SILENCE_S_MAX
from model.leg import Leg

ASK_S = 2.0
GROUP = 10
GROUP_PAUSE_S = 0.005
"""Between groups whoever trades gets the loop: a thousand looks at once would hold up an order."""
TRUTH_WAIT_S = 5.0
TRUTH_POLL_S = 0.25
TRUTHS_PER_MINUTE: Mapping[str, int] = {"bybit": 50, "binance": 25, "hyperliquid": 10}
"""Accounts read by REST, by venue: at two requests each a small share of what an address may ask."""
TRUTHS_ELSEWHERE = 10
TRUTH_WINDOW_S = 55.0
"""A little less than a minute, so that a pass a minute finds its whole share."""


@attrs.frozen(kw_only=True)
class Looked:
    """What a look at some followers brought, by name."""

    legs: dict[str, FollowerLegs]
    unheard: dict[str, str]
    """Who did not answer, or is not there yet, and why."""


class Looker:
    """Asks Pairing and the followers; whoever is dead, busy or starting holds up nobody."""

    def __init__(self, *, pairing: Callable[[], Address], followers: Mapping[str, Address]) -> None:
        self._pairing = pairing
        self._followers = followers
        self._budgets: dict[str, Budget] = {}

    async def master(self) -> LookAtLegs | None:
        """Return the master's legs; None while nobody knows them for certain."""
        try:
            answer = await self._pairing().ask(DescribeLegs(), timeout_s=ASK_S)
        except (ActorDeadError, trio.TooSlowError):
            return None
        if not isinstance(answer, MasterLegs) or not answer.reconciled:
            return None
        by_symbol: dict[str, tuple[MasterLeg, ...]] = {}
        for leg in answer.legs:
            symbol = leg.message.change.leg.symbol
            by_symbol[symbol] = (*by_symbol.get(symbol, ()), leg)
        held = {it.message.change.leg.symbol for it in answer.legs if it.message.change.size_after}
        return LookAtLegs(by_symbol, tuple(sorted(held)))

    async def followers(self, names: Iterable[str], look: LookAtLegs) -> Looked:
        """Ask followers what they hold, in groups; each has ``ASK_S`` to answer."""
        looked = Looked(legs={}, unheard={})
        async with trio.open_nursery() as nursery:
            for count, name in enumerate(names):
                if count and count % GROUP == 0:
                    await trio.sleep(GROUP_PAUSE_S)
                nursery.start_soon(self._look, name, look, looked)
        return looked

    async def truth(self, names: Iterable[str], look: LookAtLegs, *, since: float) -> dict[str, FollowerLegs]:
        """Let followers read their accounts by REST; return what those then hold that did so in time."""
        waiting = {name for name in names if self._tell(name)}
        found: dict[str, FollowerLegs] = {}
        with trio.move_on_after(TRUTH_WAIT_S):
            while waiting:
                await trio.sleep(TRUTH_POLL_S)
                looked = await self.followers(sorted(waiting), look)
                read = {name: it for name, it in looked.legs.items() if is_read_since(it, since)}
                found |= read
                waiting -= read.keys() | looked.unheard.keys()
        return found

    def afford(self, candidates: Iterable[tuple[str, str]]) -> tuple[str, ...]:
        """Return the names that the venues' budgets allow to be read now.

        Args:
            candidates: name and venue, those that matter most first.
        """
        now = trio.current_time()
        names = []
        for name, exchange in candidates:
            budget = self._budgets.get(exchange)
            if budget is None:
                limit = TRUTHS_PER_MINUTE.get(exchange, TRUTHS_ELSEWHERE)
                budget = self._budgets[exchange] = Budget(limit, TRUTH_WINDOW_S)
            if not budget.wait_s(now, Urgency.READ):
                budget.take(now)
                names.append(name)
        return tuple(names)

    async def _look(self, name: str, look: LookAtLegs, looked: Looked) -> None:
        address = self._followers.get(name)
        try:
            if address is None:
                raise ActorDeadError("removed")
            answer = await address.ask(look, timeout_s=ASK_S)
        except trio.TooSlowError:
            looked.unheard[name] = f"did not answer within {ASK_S:g} s"
        except Exception as error:  # noqa: BLE001 - it died of the question or before it: the others go on
            looked.unheard[name] = f"not running: {error}"
        else:
            if answer.state == "starting":
                looked.unheard[name] = "starting"
            else:
                looked.legs[name] = answer

    def _tell(self, name: str) -> bool:
        address = self._followers.get(name)
        try:
            if address is not None:
                address.tell(ReadAccount())
        except ActorDeadError:
            return False
        return address is not None


def is_read_since(legs: FollowerLegs, moment: float) -> bool:
    """Tell whether the account was read by REST after ``moment``."""
    return legs.read_at is not None and legs.read_at >= moment


def is_heard(legs: FollowerLegs, now: float) -> bool:
    """Tell whether the account's stream has spoken lately (R21)."""
    return legs.heard_at is not None and now - legs.heard_at <= STREAM_SILENCE_S_MAX


def master_leg(look: LookAtLegs, leg: Leg | None) -> MasterLeg | None:
    """Return one leg of the master."""
    if leg is None:
        return None
    return next((it for it in look.master.get(leg.symbol, ()) if it.message.change.leg == leg), None)

"""`followers.adopt` and `followers.join`: what a follower shall take part in (R14)."""

import attrs
import trio
from pykka import ActorDeadError

from actors.messages import AdoptAnswer, AdoptPosition
from model.amounts import format_decimal
from model.ledger import Store
from model.settings import Join
from supervision.control import Conflict, NotReady
from supervision.service.calls import recorded
from supervision.service.desk import ServiceDesk
from supervision.service.followers import unknown_follower

ASK_S = 10.0


@attrs.frozen(kw_only=True)
class Adopt:
    """Parameters of `followers.adopt`; ``join`` now brings the position to its target at once."""

    request_id: str
    name: str
    symbol: str
    position_idx: int | None = None
    join: Join = Join.NEXT
    reason: str = ""


@attrs.frozen(kw_only=True)
class JoinEpisodes:
    """Parameters of `followers.join`."""

    request_id: str
    name: str
    join: Join
    reason: str = ""


async def adopt(desk: ServiceDesk, params: Adopt) -> object:
    """Let a position that the engine did not open count as ours; it follows from the next change, or now.

    Raises: NotFound, Conflict, NotReady.
    """

    async def act() -> dict[str, object]:
        return _told(params, await _ask(desk, params))

    shown = {
        "name": params.name,
        "symbol": params.symbol,
        "position_idx": params.position_idx,
        "join": params.join.value,
    }
    return await recorded(desk, "followers.adopt", params.request_id, params.reason, shown, act)


async def join(desk: ServiceDesk, params: JoinEpisodes) -> object:
    """Take part in the master's open positions too, or only in those that it opens from now on.

    With `now` what is open is opened within max_slippage of the master's entry. Raises: NotFound.
    """
    name = params.name

    def write(store: Store, is_repeated: bool) -> None:
        if not store.set_join(name, params.join):
            raise unknown_follower(name)

    async def act() -> dict[str, object]:
        if name in desk.engine.followers:
            desk.engine.change_settings(attrs.evolve(desk.engine.settings_of(name), join=params.join))
        return {"name": name, "join": params.join.value}

    shown = {"name": name, "join": params.join.value}
    async with desk.changing:
        return await recorded(
            desk, "followers.join", params.request_id, params.reason, shown, act, write=write
        )


async def _ask(desk: ServiceDesk, params: Adopt) -> AdoptAnswer:
    address = desk.engine.followers.get(params.name)
    if address is None:
        raise unknown_follower(params.name)
    wanted = AdoptPosition(
        symbol=params.symbol, position_idx=params.position_idx, at_once=params.join is Join.NOW
    )
    try:
        answer = await address.ask(wanted, timeout_s=ASK_S)
    except ActorDeadError:
        raise NotReady(f"{params.name} does not run now", hint="`copytrader tree` shows why") from None
    except trio.TooSlowError:
        raise NotReady(f"{params.name} did not answer within {ASK_S:g} s", hint="repeat the call") from None
    if not isinstance(answer, AdoptAnswer):
        raise NotReady(f"{params.name} cannot answer now")
    if answer.why_not:
        raise Conflict(f"not adopted: {answer.why_not}", hint="nothing was changed")
    return answer


def _told(params: Adopt, answer: AdoptAnswer) -> dict[str, object]:
    assert answer.leg is not None
    assert answer.size is not None
    told: dict[str, object] = {
        "name": params.name,
        "symbol": answer.leg.symbol,
        "position_idx": answer.leg.position_idx,
        "size": format_decimal(answer.size),
        "was_ours": answer.was_ours,
        "orders": list(answer.orders),
    }
    if answer.why_no_orders:
        told["warning"] = f"not brought to its target: {answer.why_no_orders}"
    return told

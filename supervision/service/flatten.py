"""`followers.flatten`: shows what it would close, and does it when the token comes back (section 5)."""

from collections.abc import Iterable
from decimal import Decimal

import attrs

from actors.messages import LegStatus
from model.amounts import decimal_from_text, format_decimal
from model.copy import Holding
from model.ledger import LedgerUnreachable
from model.settings import FollowerMode
from supervision.control import NotReady
from supervision.service.confirmations import VALID_S
from supervision.service.desk import ServiceDesk
from supervision.service.followers import follower_rows, order_mode, unknown_follower
from supervision.service.observation import FollowerSeen, observe

METHOD = "followers.flatten"


@attrs.frozen(kw_only=True)
class Flatten:
    """Parameters of `followers.flatten`: without ``token`` a preview."""

    request_id: str
    name: str
    token: str = ""
    reason: str = ""


async def flatten(desk: ServiceDesk, params: Flatten) -> object:
    """Show what would be closed, with a token; with that token, within 60 s, close it and pause the follower.

    Raises: NotFound, ConfirmationRequired.
    """
    if not params.token:
        return await _preview(desk, params.name)
    refusal = desk.confirmations.take(params.token, METHOD, params.name)
    answer = await order_mode(
        desk,
        METHOD,
        params.request_id,
        params.name,
        params.reason,
        {"name": params.name},
        FollowerMode.FLATTENING,
        refusal=refusal,
    )
    return {**answer, **await _hindrance(desk, params.name)}


async def _preview(desk: ServiceDesk, name: str) -> dict[str, object]:
    if name not in {row.settings.name for row in await follower_rows(desk)}:
        raise unknown_follower(name)
    seen = await _seen(desk, name)
    legs = await _remembered(desk, name) if seen is None or seen.status is None else seen.status.legs
    state = "starting" if seen is None else seen.state
    return {
        "name": name,
        "state": state,
        "orders": [_order(leg) for leg in legs if leg.owned and leg.position != "0"],
        "left_alone": [attrs.asdict(leg) for leg in legs if not leg.owned and leg.position != "0"],
        "unknown_orders": 0 if seen is None or seen.status is None else seen.status.unknown_orders,
        "then": FollowerMode.PAUSED.value,
        "token": desk.confirmations.offer(METHOD, name),
        "valid_s": VALID_S,
        **_words_about(seen),
    }


async def _seen(desk: ServiceDesk, name: str) -> FollowerSeen | None:
    observed = await observe(desk)
    return next((it for it in observed.followers if it.name == name), None)


async def _hindrance(desk: ServiceDesk, name: str) -> dict[str, object]:
    return _words_about(await _seen(desk, name))


def _words_about(seen: FollowerSeen | None) -> dict[str, object]:
    """Warn of what is in the way: it is closed as soon as that has passed."""
    state = "starting" if seen is None else seen.state
    if state == "quarantined":
        return {"warning": "it is quarantined: it closes once it runs again, `copytrader restart` revives it"}
    if seen is None or seen.status is None or state == "starting":
        detail = "" if seen is None or not seen.detail else f" ({seen.detail})"
        return {"warning": f"its account is not known now{detail}: what is shown is remembered"}
    return {}


async def _remembered(desk: ServiceDesk, name: str) -> tuple[LegStatus, ...]:
    """Return what the ledger knows of an account that nobody reads now."""
    try:
        holdings: Iterable[Holding] = await desk.ledger.read(lambda store: store.holdings(name))
    except LedgerUnreachable as error:
        raise NotReady(str(error)) from error
    return tuple(
        LegStatus(
            symbol=held.leg.symbol,
            position_idx=held.leg.position_idx,
            target=format_decimal(held.target),
            position=format_decimal(held.target),
            drift="0",
            owned=True,
        )
        for held in holdings
        if held.owned and held.target
    )


def _order(leg: LegStatus) -> dict[str, object]:
    size: Decimal = decimal_from_text(leg.position)
    return {
        "symbol": leg.symbol,
        "position_idx": leg.position_idx,
        "position": leg.position,
        "side": "sell" if size > 0 else "buy",
        "quantity": format_decimal(abs(size)),
        "reduce_only": True,
        "notional": leg.notional,
    }

"""A follower's part of `status`, from what its desk knows."""

import trio

from actors.follower_desk import FollowerDesk
from actors.messages import FollowerStatus, KeyStatus, LegStatus
from model.amounts import ZERO, format_decimal
from model.leg import Leg
from model.settings import FollowerMode


def describe(desk: FollowerDesk, *, state: str, busy: tuple[str, ...], key: KeyStatus) -> FollowerStatus:
    """Return the follower's state, equity, and every leg with a position or a target."""
    equity, heard_at = desk.equity(), desk.view.heard_at
    legs = set(desk.view.open_legs())
    legs.update(leg for leg, holding in desk.holdings.items() if holding.target)
    return FollowerStatus(
        name=desk.settings.name,
        exchange=desk.settings.exchange,
        state=state,
        equity=None if equity is None else format_decimal(equity),
        legs=tuple(_leg_status(desk, leg) for leg in sorted(legs)),
        unknown_orders=desk.unknown_orders.total(),
        busy_symbols=busy,
        key=key,
        fresh=desk.is_fresh(),
        dry_run=desk.settings.dry_run,
        heard_age_s=None if heard_at is None else trio.current_time() - heard_at,
        exposure_worst_case=_exposure_worst_case(desk),
    )


def state_of(desk: FollowerDesk, *, is_prepared: bool) -> str:
    """Return in one word what the follower does now."""
    if desk.key.state.is_refused:
        return "refused"
    if not is_prepared or not desk.key.state.is_judged:
        return "starting"
    mode = desk.settings.mode
    return "ready" if mode is FollowerMode.ACTIVE else mode.value


def why_held(desk: FollowerDesk) -> str:
    """Return what holds the follower back beside its mode, "" when nothing does."""
    if desk.key.state.is_refused:
        return "; ".join(desk.key.refusals)
    return "" if desk.breach is None else desk.breach.words


def _exposure_worst_case(desk: FollowerDesk) -> str | None:
    exposure = sum(desk.unsettled.values(), ZERO)
    for leg in desk.view.open_legs():
        mark = desk.board.marks.latest(leg.symbol)
        if mark is None:
            return None
        exposure += abs(desk.view.size(leg)) * mark
    return format_decimal(exposure)


def _leg_status(desk: FollowerDesk, leg: Leg) -> LegStatus:
    holding = desk.holdings.get(leg)
    size = desk.view.size(leg)
    mark = desk.board.marks.latest(leg.symbol)
    target = holding.target if holding is not None and holding.owned else ZERO
    return LegStatus(
        symbol=leg.symbol,
        position_idx=leg.position_idx,
        target=format_decimal(target),
        position=format_decimal(size),
        drift=format_decimal(size - target),
        owned=holding is not None and holding.owned,
        skipped=None if holding is None else holding.skipped,
        notional=None if mark is None else format_decimal(abs(size) * mark),
    )

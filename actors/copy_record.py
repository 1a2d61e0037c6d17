"""What happened in one copy, gathered while it runs: the ledger's outcome and `explain` (R17)."""

from decimal import Decimal

import attrs

from actors.events import CopyFinished, HandSeen, TroubleMet
from actors.follower_desk import FollowerDesk
from actors.order_life import Sent
from model.amounts import ZERO, format_decimal
from model.change import Change
from model.copy import Claim, CopyOutcome, CopyState, Holding, OrderRecord
from model.follower import Decision
from model.ledger import LedgerUnreachable
from model.leg import Leg
from model.reasons import Reason
from model.validation import OrderDraft

FAILURES = frozenset(
    {
        Reason.VENUE_REJECTED,
        Reason.MARGIN_INSUFFICIENT,
        Reason.ORDER_LOST,
        Reason.VENUE_UNREACHABLE,
        Reason.LEVERAGE_FAILED,
        Reason.CRASHED,
    }
)
TROUBLES_MAX = 20
DECISIONS_MAX = 20


@attrs.frozen
class Opened:
    """What an opening that filled whole has answered, and where it has led."""

    answers: Decimal
    """The master's size."""
    size: Decimal | None
    """The follower's then, by our own orders; None: a crash left open what else had moved the leg."""


@attrs.define(kw_only=True)
class CopyRecord:
    """One copy's orders, decisions, troubles and times (wall-clock ms)."""

    copy_id: str
    follower: str
    exchange: str
    change: Change
    claimed_at_ms: int | None = None
    undurable_claim: Claim | None = None
    """The claim that the ledger could not take; it is made good before the outcome is written (R18)."""
    kept_locally: bool = False
    """The journal has that claim, or orders of the copy."""
    orders: tuple[OrderRecord, ...] = ()
    moving: dict[Leg, tuple[Decimal, ...]] = attrs.field(factory=dict)
    """The master's sizes, by leg of the follower, that fills of this copy have begun to answer."""
    opened: dict[Leg, Opened] = attrs.field(factory=dict)
    """Openings that filled whole, by leg of the follower: what is missing there since, others took (R15)."""
    _decisions: list[Decision] = attrs.field(factory=list)
    _troubles: list[str] = attrs.field(factory=list)
    _holdings: dict[Leg, Holding] = attrs.field(factory=dict)
    _times: dict[str, int] = attrs.field(factory=dict)
    reason: Reason | None = None

    def next_attempt(self) -> int:
        """Return the attempt that no order of this copy has used yet."""
        return max((order.attempt for order in self.orders), default=-1) + 1

    def decided(self, decision: Decision, now_ms: int) -> None:
        """Note a decision; its numbers are put into words when the copy has its outcome."""
        self._times.setdefault("decided", now_ms)
        self._decisions = [*self._decisions[-DECISIONS_MAX:], decision]

    def keep(self, order: OrderRecord) -> None:
        """Keep the newest state of an order."""
        others = tuple(o for o in self.orders if o.client_order_id != order.client_order_id)
        self.orders = (*others, order)

    def sent(self, sent: Sent) -> None:
        """Note how a sending ended."""
        self.keep(sent.record)
        if sent.record.sent_at_ms is not None:
            self._times.setdefault("sent", sent.record.sent_at_ms)
        if sent.acknowledged_at_ms is not None:
            self._times.setdefault("acknowledged", sent.acknowledged_at_ms)

    def moved(self, leg: Leg, answers: Decimal, *, is_whole: bool) -> None:
        """Note that an order has filled towards a size of the master's; a part leaves it on the way there."""
        before = () if is_whole else self.moving.get(leg, ())
        self.moving[leg] = (*(size for size in before if size != answers), answers)

    def filled(self, now_ms: int) -> None:
        """Note when the last fill was known."""
        self._times["filled"] = now_ms

    def trouble(self, what: str) -> None:
        """Note what went wrong on the way; the first ones tell most."""
        if len(self._troubles) < TROUBLES_MAX:
            self._troubles.append(what)

    @property
    def last_trouble(self) -> str:
        """What went wrong last, blank where nothing did."""
        return self._troubles[-1] if self._troubles else ""

    def saw_hand(self, desk: FollowerDesk, leg: Leg, *, expected: Decimal, size: Decimal) -> None:
        """Tell that somebody else moved a leg while the copy was at work on it."""
        self.trouble(f"{leg}: {size} held where our orders lead to {expected}")
        desk.bus.publish(
            HandSeen(
                follower=self.follower,
                symbol=leg.symbol,
                position_idx=leg.position_idx,
                expected=format_decimal(expected),
                size=format_decimal(size),
            )
        )

    def left(self, reason: Reason | None) -> None:
        """Note why a leg was left as it is; the first reason that matters is the copy's."""
        if self.reason in (None, Reason.NOTHING_TO_DO, Reason.ALREADY_FLAT):
            self.reason = reason

    def hold(self, holding: Holding) -> None:
        """Keep what the engine now knows of a leg; it is written with the outcome."""
        self._holdings[holding.leg] = holding

    @property
    def filled_quantity(self) -> Decimal:
        """What all orders of this copy filled, in base asset."""
        return sum((order.filled for order in self.orders), ZERO)

    def outcome(self, now_ms: int, *, superseded: bool = False) -> CopyOutcome:
        """Return the copy's outcome as the ledger keeps it."""
        return CopyOutcome(
            copy_id=self.copy_id,
            follower=self.follower,
            change_id=self.change.change_id,
            state=self._state(superseded),
            reason=self._final_reason(superseded),
            orders=self.orders,
            holdings=tuple(self._holdings.values()),
            explain=self._explain(now_ms),
            finished_at_ms=now_ms,
        )

    async def keep_locally(self, desk: FollowerDesk, orders: tuple[OrderRecord, ...]) -> None:
        """Put claim and orders on local disk before they leave (R18); a reduction goes on either way."""
        claim = None if self.kept_locally else self.undurable_claim
        try:
            await desk.keep_locally(claim, orders=orders)
            self.kept_locally = True
        except LedgerUnreachable as error:
            self.trouble(f"not kept locally: {error}")
            desk.bus.publish(TroubleMet(where=desk.settings.name, what=f"not kept locally: {error}"))

    async def finish(
        self, desk: FollowerDesk, *, superseded: bool = False, overtaken: tuple["CopyRecord", ...] = ()
    ) -> None:
        """Write the outcome and tell the bus; an unreachable ledger gets it later.

        ``overtaken`` are older copies that end with this one, in the same transaction.
        """
        now_ms = desk.clock.wall_ms()
        ended = [(it, it._overtaken_outcome(desk, now_ms)) for it in overtaken]
        ended.append((self, self.outcome(now_ms, superseded=superseded)))
        if not await desk.write_outcomes([(it.undurable_claim, outcome) for it, outcome in ended]):
            for it, outcome in ended:
                await it._keep_outcome(desk, outcome)
        for it, outcome in ended:
            it._publish(desk, outcome)

    def _overtaken_outcome(self, desk: FollowerDesk, now_ms: int) -> CopyOutcome:
        """Return the outcome of a copy that a newer one ends, with its legs as they are by now."""
        outcome = self.outcome(now_ms, superseded=True)
        return attrs.evolve(outcome, holdings=desk.present(outcome.holdings))

    async def _keep_outcome(self, desk: FollowerDesk, outcome: CopyOutcome) -> None:
        """Keep what was done on local disk; what was only skipped waits in memory (R18)."""
        if self.kept_locally or self.orders:
            claim = None if self.kept_locally else self.undurable_claim
            try:
                await desk.keep_locally(claim, outcome=outcome)
                return
            except LedgerUnreachable as error:
                what = f"outcome not kept locally: {error}"
                desk.bus.publish(TroubleMet(where=desk.settings.name, what=what))
        desk.unwritten.append((self.undurable_claim, outcome))

    def _state(self, superseded: bool) -> CopyState:
        if self.filled_quantity:
            return CopyState.APPLIED
        if superseded:
            return CopyState.SUPERSEDED
        return CopyState.FAILED if self.reason in FAILURES else CopyState.SKIPPED

    def _final_reason(self, superseded: bool) -> Reason | None:
        if superseded and not self.filled_quantity:
            return Reason.SUPERSEDED
        if self.filled_quantity and self.reason in (Reason.NOTHING_TO_DO, Reason.ALREADY_FLAT):
            return None
        return self.reason

    def _explain(self, now_ms: int) -> dict[str, object]:
        change = self.change
        times = {
            "event": change.venue_time_ms,
            "received": change.received_at_ms,
            "claimed": self.claimed_at_ms,
            **self._times,
            "finished": now_ms,
        }
        return {
            "change": {
                "change_id": change.change_id,
                "leg": str(change.leg),
                "class": change.change_class.value,
                "size_before": format_decimal(change.size_before),
                "size_after": format_decimal(change.size_after),
                "from_snapshot": change.from_snapshot,
                "caught_up": change.caught_up,
            },
            "decisions": [_in_words(decision) for decision in self._decisions],
            "troubles": self._troubles,
            "times": times,
        }

    def _publish(self, desk: FollowerDesk, outcome: CopyOutcome) -> None:
        received = self.change.received_at_ms

        def since_received(step: str) -> float | None:
            at = self._times.get(step)
            return None if at is None else float(at - received)

        desk.bus.publish(
            CopyFinished(
                copy_id=self.copy_id,
                change_id=self.change.change_id,
                follower=self.follower,
                exchange=self.exchange,
                symbol=self.change.leg.symbol,
                state=outcome.state,
                reason=outcome.reason,
                orders=len(self.orders),
                caught_up=self.change.caught_up,
                received_to_sent_ms=since_received("sent"),
                received_to_acknowledged_ms=since_received("acknowledged"),
                received_to_filled_ms=since_received("filled"),
                received_to_claimed_ms=(
                    None if self.claimed_at_ms is None else float(self.claimed_at_ms - received)
                ),
                received_to_decided_ms=since_received("decided"),
            )
        )


def _in_words(decision: Decision) -> dict[str, object]:
    return {
        **decision.numbers,
        "desired": format_decimal(decision.desired),
        "reason": decision.reason.value if decision.reason else None,
        "set_leverage": format_decimal(decision.leverage) if decision.leverage else None,
        "orders": [_draft_text(draft) for draft in decision.drafts],
    }


def _draft_text(draft: OrderDraft) -> str:
    price = "" if draft.price is None else f" at {format_decimal(draft.price)} or better"
    flag = " reduce-only" if draft.reduce_only else ""
    return f"{draft.side.value} {format_decimal(draft.quantity)}{price}{flag}"

"""Bugs put into a running engine from outside, to see that simulation finds them.

Each is a mistake that an engine of this kind is easily written with. None is a switch in the product:
a context patches a class or a function, and takes the patch away again.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from unittest import mock

import attrs

import actors.last_fills
import actors.placing
import actors.recovery
import exchanges.binance.memory
import model.account_view
import model.gates
import model.leg_book
import model.sizing
from actors.follower import Follower
from actors.lanes import Lanes
from actors.ledger_desk import LedgerDesk
from actors.pairing import Pairing
from actors.placing import Placing
from actors.runtime.mailbox import Mailbox
from exchanges.binance.memory import AccountMemory
from exchanges.errors import Refusal
from model.copy import ClaimAnswer
from model.ledger import LedgerUnreachable
from model.order import OrderState

Plant = Callable[[], Any]
PLANTED: dict[str, Plant] = {}


def _bug(plant: Plant) -> Plant:
    PLANTED[plant.__name__] = contextmanager(plant)
    return plant


@_bug
def resend_on_timeout() -> Iterator[None]:
    """An order without an answer is sent again, under another id."""
    send = actors.placing.send

    async def impatient(desk: Any, record: Any, request: Any) -> Any:
        sent = await send(desk, record, request)
        if sent.record.state is not OrderState.UNKNOWN:
            return sent
        again = record.client_order_id[::-1]
        return await send(
            desk,
            attrs.evolve(record, client_order_id=again),
            attrs.evolve(request, client_order_id=again),
        )

    with mock.patch.object(actors.placing, "send", impatient):
        yield


@_bug
def a_lost_answer_is_a_refusal() -> Iterator[None]:
    """An order without an answer counts as refused."""
    send = actors.placing.send

    async def hasty(desk: Any, record: Any, request: Any) -> Any:
        sent = await send(desk, record, request)
        if sent.record.state is not OrderState.UNKNOWN:
            return sent
        refused = attrs.evolve(sent.record, state=OrderState.REJECTED)
        return attrs.evolve(sent, record=refused, refusal=Refusal.OTHER)

    with mock.patch.object(actors.placing, "send", hasty):
        yield


@_bug
def forget_a_reduction() -> Iterator[None]:
    """A reduction that could not be sent at once is given up, as an opening is."""
    place = Placing.place

    async def give_up(self: Placing, decision: Any, situation: Any) -> Any:
        reason = await place(self, decision, situation)
        return reason if decision.drafts[0].opens else None

    with mock.patch.object(Placing, "place", give_up):
        yield


@_bug
def ignore_seq() -> Iterator[None]:
    """Rows of positions are believed in the order in which they come."""
    with (
        mock.patch.object(model.leg_book, "_is_before", return_value=False),
        mock.patch.object(model.account_view, "_older", return_value=False),
    ):
        yield


@_bug
def trust_a_stale_snapshot() -> Iterator[None]:
    """What Binance's reads say is believed whatever the stream has told since they were asked for."""

    def dated(self: AccountMemory, row: Any) -> Any:
        known = self._rows.get(row.leg)
        if known is None or known.seq < row.seq:
            return row
        return attrs.evolve(row, seq=known.seq + 1, venue_time_ms=known.venue_time_ms + 1)

    with (
        mock.patch.object(AccountMemory, "_dated", dated),
        mock.patch.object(exchanges.binance.memory, "READS_LAG_S_MAX", 0.0),
        mock.patch.object(actors.last_fills, "READS_LAG_S_MAX", 0.0),
    ):
        yield


@_bug
def float_in_sizing() -> Iterator[None]:
    """The target goes through a float, by the one way that the money context does not trap."""
    target_of = model.sizing.target_of

    def floated(*arguments: Any, **options: Any) -> Any:
        target = target_of(*arguments, **options)
        return attrs.evolve(target, numerator=Decimal.from_float(float(target.numerator)))

    with mock.patch("model.follower.target_of", floated):
        yield


@_bug
def lose_the_inbox() -> Iterator[None]:
    """What waited for a crashed actor is gone, and nobody asks for it again."""
    move_out = Mailbox.move_out

    def empty_out(self: Mailbox, why: str) -> None:
        move_out(self, why)
        for entry in self._entries():
            self._forget(entry)

    with (
        mock.patch.object(Mailbox, "move_out", empty_out),
        mock.patch.object(Pairing, "_every_leg", return_value=[]),
    ):
        yield


@_bug
def reductions_may_flip() -> Iterator[None]:
    """Nothing is sent as reduce-only."""
    request = actors.placing.OrderRequest

    def unguarded(**fields: Any) -> Any:
        return request(**{**fields, "reduce_only": False})

    with mock.patch.object(actors.placing, "OrderRequest", unguarded):
        yield


@_bug
def open_before_the_claim() -> Iterator[None]:
    """An opening leaves although the ledger did not take its claim."""
    claim = LedgerDesk.claim

    async def claim_or_not(self: LedgerDesk, claimed: Any) -> ClaimAnswer:
        try:
            return await claim(self, claimed)
        except LedgerUnreachable:
            return ClaimAnswer.NEW

    with mock.patch.object(LedgerDesk, "claim", claim_or_not):
        yield


@_bug
def hold_a_connection_across_a_call() -> Iterator[None]:
    """The connection that took a claim is kept until the venue has answered (R8)."""
    place = actors.placing.send

    async def holding(desk: Any, record: Any, request: Any) -> Any:
        with desk.ledger._store.database.unit(write=False):
            return await place(desk, record, request)

    with mock.patch.object(actors.placing, "send", holding):
        yield


@_bug
def claim_again() -> Iterator[None]:
    """A copy that was claimed before is done once more."""
    claim = LedgerDesk.claim

    async def always_new(self: LedgerDesk, claimed: Any) -> ClaimAnswer:
        await claim(self, claimed)
        return ClaimAnswer.NEW

    with (
        mock.patch.object(LedgerDesk, "claim", always_new),
        mock.patch.object(Follower, "_acted_on", return_value=False),
    ):
        yield


@_bug
def no_catch_up() -> Iterator[None]:
    """A follower that comes back is told of no leg of the master."""
    with mock.patch.object(Pairing, "_every_leg", return_value=[]):
        yield


@_bug
def forget_moved_legs() -> Iterator[None]:
    """After a kill nobody remembers which legs an unfinished copy had moved."""
    with (
        mock.patch.object(actors.recovery, "_note_fills"),
        mock.patch.object(actors.recovery, "_own"),
    ):
        yield


@_bug
def drop_the_retry_after_a_crash() -> Iterator[None]:
    """Copies that were claimed before a crash are left as they are."""
    with mock.patch.object(Lanes, "recover"):
        yield


@_bug
def a_part_counts_as_the_whole() -> Iterator[None]:
    """What an order filled in part counts as all of it."""
    settled = Placing._settled

    async def rounded_up(self: Placing, goal: Any, draft: Any, record: Any, size_before: Any) -> Any:
        filled = draft.quantity if record.filled else record.filled
        return await settled(self, goal, draft, attrs.evolve(record, filled=filled), size_before)

    with mock.patch.object(Placing, "_settled", rounded_up):
        yield


@_bug
def open_however_late() -> Iterator[None]:
    """An opening is sent however long it has waited (R13)."""
    age = model.gates._GATES["age"]

    def patient(goal: Any, situation: Any, instrument: Any) -> Any:
        return age(goal, situation, instrument) if goal.change.caught_up else None

    with mock.patch.dict(model.gates._GATES, age=patient):
        yield


BUGS: Mapping[str, Plant] = PLANTED

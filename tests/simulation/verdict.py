"""Whether everybody is where R5 and R6 say, once everything has healed."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

import trio

from actors.events import CopyFinished, FollowerStateChanged, MasterChangeSeen
from model.copy import CopyState
from model.reasons import Reason
from model.settings import SizingMode
from supervision.events import AccountQuarantined, SupervisorExhausted
from tests.simulation.books import TOLERANCE, Books
from tests.simulation.schedule import Schedule
from tests.world import MASTER, Cast, World

ZERO = Decimal(0)


class Verdict:
    """Compares what everybody holds with the books; each answer is what is wrong, line by line."""

    def __init__(self, world: World, schedule: Schedule, books: Books) -> None:
        self._world = world
        self._schedule = schedule
        self._books = books

    async def busy(self) -> list[str]:
        """Tell who has still something in hand."""
        world = self._world
        master = await world._master_status()
        if master is None or not master.reconciled:
            return ["the master is not reconciled"]
        known = {(it.leg.symbol, it.leg.position_idx): it.size_after for it in master.legs}
        held = {(leg.symbol, leg.position_idx): leg.size for leg in world.account(MASTER).open_positions()}
        if known != held:
            return [f"the engine knows {known}, the master holds {held}"]
        why = []
        small = {member.name: set(self.too_small_to_leave(member.name)) for member in self._schedule.cast}
        for name in world.engine.followers:
            with trio.move_on_after(10.0):
                try:
                    status = await world._status_now(name)
                except trio.TooSlowError:
                    break
                waits = status is not None and set(status.busy_symbols) - small[name]
                if status is None or waits or status.unknown_orders or status.state != "ready":
                    why.append(f"{name} is busy: {status}")
                continue
            why.append(f"{name} does not answer")
        if why:
            return why
        claimed = [
            row for row in world.copies() if row.state is CopyState.CLAIMED and not small[row.follower]
        ]
        return [f"{row.follower} has no outcome for {row.copy_id[:8]} {row.leg}" for row in claimed]

    def unheard(self) -> list[str]:
        """Tell whose private stream is lost."""
        streams = {
            it.follower: it.state
            for it in self._world.seen(FollowerStateChanged)
            if it.state in ("stream_live", "stream_lost")
        }
        return [name for name, state in streams.items() if state == "stream_lost"]

    def unsettled(self) -> list[str]:
        """Tell who is not where its last copy says."""
        why = []
        for member, symbol, idx in self._books.legs():
            size, ideal = self._world.size(member.name, symbol, idx), self._books.ideal(member, symbol, idx)
            where, lot = f"{member.name} {symbol}:{idx} holds {size}", self._books.lots[symbol]
            if (member.name, symbol) in self._books.foreign:
                continue
            if self._books.own(member.name, symbol) in self.too_small_to_leave(member.name):
                continue
            if not ideal or size * ideal < 0:
                if size and not self._is_dust(member.name, symbol, idx, size):
                    why.append(f"{where}, the master's side gives {ideal}")
                continue
            if (member.name, symbol, idx) in self._books.touched:
                continue  # somebody else's hand wins until the master's next change (R15)
            most = self._books.ideal(member, symbol, idx, known=False)
            if self._schedule.history:
                most = max(most, self._books.most[member.name, symbol, idx], key=abs)
            dust = self._dust(member, symbol)
            holding = self.holding(member.name, symbol, idx)
            if not self._may_hold_more(member.name, holding) and abs(size) > (
                max(abs(ideal), abs(most)) * (1 + TOLERANCE) + lot + dust
            ):
                why.append(f"{where}, more than {ideal}")
            if self._was_unlisted(member, symbol, idx):
                continue
            if holding is None:
                why.append(f"{where}, no copy ever answered {ideal}")
            elif holding.skipped is None and abs(size - holding.target) > lot:
                why.append(f"{where}, its last copy wanted {holding.target}")
            elif holding.master_size != self._master_size(member, symbol, idx):
                why.append(f"{where}, the last copy answered {holding.master_size}")
        return why

    def left_alone(self) -> list[str]:
        """Tell who holds a leg that the master has left, and could leave it too."""
        return [
            f"{member.name} {symbol}:{idx} still holds {size}"
            for member, symbol, idx in self._books.legs()
            if (size := self._world.size(member.name, symbol, idx))
            and not self._books.ideal(member, symbol, idx)
            and (member.name, symbol) not in self._books.foreign
            and self._books.own(member.name, symbol) not in self.too_small_to_leave(member.name)
            and not self._is_dust(member.name, symbol, idx, size)
        ]

    def off_target(self) -> list[str]:
        """Tell who is not within a lot of R6, at the venue's own numbers."""
        why = self.unsettled()
        for member, symbol, idx in self._books.legs():
            if (member.name, symbol) in self._books.foreign:
                continue
            if self._books.own(member.name, symbol) in self.too_small_to_leave(member.name):
                continue
            size, ideal = self._world.size(member.name, symbol, idx), self._books.ideal(member, symbol, idx)
            lot = self._books.lots[symbol]
            peak_missed = self._books.ideal(member, symbol, idx, known=False)
            low, high = sorted((abs(ideal), abs(peak_missed)))
            if member.settings["sizing"].mode is SizingMode.FIXED_MARGIN and self._was_away():
                low = Decimal(0)  # it may take two episodes for one: the older peak makes it careful
            if low * (1 - TOLERANCE) - lot <= abs(size) <= high * (1 + TOLERANCE) + lot:
                continue
            holding = self.holding(member.name, symbol, idx)
            reason = holding.skipped if holding else None
            dust = self._dust(member, symbol)
            if not size and reason in _TOO_SMALL and abs(ideal) < lot + dust:
                continue
            if reason is Reason.DEFERRED and abs(size - ideal) <= lot + dust:
                continue
            if self._is_dust(member.name, symbol, idx, size):
                continue
            held_more = self._was_richer(member.name) or self._was_called_too_small(member.name)
            if reason is Reason.NOTHING_TO_DO and abs(size) > high and held_more:
                continue  # an increase takes nothing off
            why.append(f"{member.name} {symbol}:{idx} holds {size} and should hold {ideal}: {reason}")
        return why

    def never_answered(self) -> list[str]:
        """Tell which change of the master's has no outcome of a follower, neither kept nor told (I6).

        What an engine had seen as it was killed comes back as what its successor finds: not one by one.
        """
        if any(step.act in _DEATHS and step.what.get("away_s") is not None for step in self._schedule.steps):
            return []
        answered = {(it.follower, it.change_id) for it in self._world.copies()}
        answered |= {(it.follower, it.change_id) for it in self._world.seen(CopyFinished)}
        return [
            f"{member.name} never answered {it.change.change_id[:8]} {it.change.leg} {it.change.size_after}"
            for it in self._world.seen(MasterChangeSeen)
            for member in self._schedule.cast
            if (member.name, it.change.change_id) not in answered
        ]

    def of_two_copies(self) -> list[str]:
        """Tell which order is of more than one copy (I2)."""
        owners = defaultdict(set)
        for copy in self._world.copies():
            for order in copy.orders:
                owners[order.client_order_id].add(copy.copy_id)
        return [f"{key} is an order of {sorted(copies)}" for key, copies in owners.items() if len(copies) > 1]

    def rounded_otherwise(self) -> list[str]:
        """Tell whose last copy, of a master that added, wanted not just R6's size cut to lots.

        Of those whose target needs no number but the master's size; what somebody else moved is theirs.
        A lot that was coarser for a while is believed until the catalogue is read again.
        """
        why = []
        for member, symbol, idx in self._books.legs():
            holding, key = self.holding(member.name, symbol, idx), (member.name, symbol, idx)
            if member.settings["sizing"].mode is not SizingMode.FIXED_RATIO or key in self._books.touched:
                continue
            if holding is None or holding.skipped is not None:
                continue
            own = self._books.own(member.name, symbol)
            if own in self.too_small_to_leave(member.name):
                continue  # the master's next change waits behind it
            ideal = self._books.ideal(member, symbol, idx)
            exact = ideal - ideal % self._world.core(member.name).listing(own).lot_size
            if holding.target != exact and not self._was_coarser(symbol):
                why.append(f"{member.name} {symbol}:{idx} wanted {holding.target}, R6 says {exact}")
        return why

    def _was_coarser(self, symbol: str) -> bool:
        return any(
            step.act == "filters" and (step.what["symbol"], step.what["what"]) == (symbol, "lot_size")
            for step in self._schedule.steps
        )

    def _was_unlisted(self, member: Cast, symbol: str, idx: int) -> bool:
        """Tell whether the last copy found the symbol unlisted: which legs it has was not known then.

        Of an account that keeps two legs it says nothing more where their net was answered before.
        """
        net = self.holding(member.name, symbol, 0)
        if net is None:
            return False
        if net.skipped is Reason.SYMBOL_NOT_LISTED:
            return True
        is_the_last = net.master_size == self._master_size(member, symbol, 0)
        return bool(idx) and is_the_last and self.holding(member.name, symbol, idx) is None

    def _may_hold_more(self, name: str, holding: Any) -> bool:
        """Tell whether an exit was called too small (R10: the next one has it), or money was taken."""
        left = holding is not None and holding.skipped in (Reason.DEFERRED, Reason.NOTHING_TO_DO)
        return name in self._books.paid_out or (left and self._was_called_too_small(name))

    def _was_called_too_small(self, name: str) -> bool:
        """Tell whether the venue may have said so of an exit of any size."""
        return any(
            step.what.get("code") in TOO_SMALL_CODES and step.what.get("account") == name
            for step in self._schedule.steps
        )

    def _was_richer(self, name: str) -> bool:
        """Tell whether positions may be of an equity that was larger: an increase takes nothing off."""
        return name in self._books.paid_out or bool(self._schedule.history)

    def _was_away(self) -> bool:
        """Tell whether a peak may have passed unheard: the engine was away, or deaf to the master."""
        return any(
            step.act in ("kill", "drain", "crash", "ambush", "mine")
            or (step.act in ("drop", "silence", "fault") and step.what.get("account") in (MASTER, None))
            for step in self._schedule.steps
        )

    def too_small_to_leave(self, name: str) -> list[str]:
        """Return symbols of hedged legs worth less than Binance takes: how they are closed is unpublished."""
        member = next((it for it in self._schedule.cast if it.name == name), None)
        if member is None or member.venue != "binance" or not member.hedge:
            return []
        core = self._world.core(name)
        return [
            leg.symbol
            for leg in self._world.account(name).open_positions()
            if abs(leg.size) * core.mark(leg.symbol) < core.listing(leg.symbol).min_notional
        ]

    def _is_dust(self, name: str, symbol: str, idx: int, size: Decimal) -> bool:
        """Tell whether a lot that was coarser has left what could not be traded."""
        holding = self.holding(name, symbol, idx)
        deferred = holding is not None and holding.skipped is Reason.DEFERRED
        return deferred and abs(size) < self._books.lots[symbol]

    def _dust(self, member: Cast, symbol: str) -> Decimal:
        """Return what is too small to be traded alone."""
        venue, own = self._world.core(member.name), self._books.own(member.name, symbol)
        return venue.listing(own).min_notional * Decimal("1.1") / venue.mark(own)

    def holding(self, name: str, symbol: str, idx: int) -> Any:
        key = self._books.own(name, symbol), idx
        held = (it for it in self._world.store.holdings(name) if (it.leg.symbol, it.leg.position_idx) == key)
        return next(held, None)

    def _master_size(self, member: Any, symbol: str, idx: int) -> Decimal:
        sizes = [leg.size for leg in self._world.account(MASTER).legs(symbol)]
        wanted = {0: lambda size: True, 1: lambda size: size > 0, 2: lambda size: size < 0}[idx]
        return sum(filter(wanted, sizes), ZERO)

    def check_events(self) -> list[str]:
        """Tell which account was given up without a crash, and which copy ended without a reason."""
        crashed = any(step.act in ("crash", "mine") for step in self._schedule.steps)
        wrong = [
            str(event)
            for kind in (AccountQuarantined, SupervisorExhausted)
            for event in self._world.seen(kind)
            if not crashed
        ]
        return wrong + [
            f"{row.state} without a reason: {row}"
            for row in self._world.copies()
            if row.reason is None and row.state not in (CopyState.APPLIED, CopyState.CLAIMED)
        ]


_DEATHS = frozenset({"kill", "drain", "ambush", "mine"})
TOO_SMALL_CODES = (110094, -4164)
_TOO_SMALL = frozenset({Reason.ROUNDED_TO_ZERO, Reason.BELOW_MIN_NOTIONAL, Reason.BELOW_MIN_QUANTITY})

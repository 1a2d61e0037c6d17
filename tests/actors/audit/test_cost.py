"""What a pass over a thousand followers costs, counted in messages and requests (R15)."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
import trio
from trio.testing import MockClock

from actors.audit_look import GROUP, TRUTHS_PER_MINUTE
from actors.auditor import Auditor, AuditPorts
from actors.bus import Bus
from actors.events import AuditFinished, DriftFound
from actors.ledger_desk import LedgerDesk, Mode
from actors.messages import DescribeLegs, FollowerLegs, LookAtLegs, MasterLegs, ReadAccount
from actors.runtime import Address, TrioActor
from actors.runtime.life import Life
from actors.runtime.mailbox import Mailbox
from exchanges.clock import TrioClock
from model.audit import AuditLeg
from model.ledger import Store
from model.leg import Leg
from model.settings import Repair

FOLLOWERS = 1_000
BTC = Leg("BTCUSDT")


class Counted(TrioActor):
    """A follower as the auditor knows it: it says what it holds, and reads its account when told."""

    def __init__(self, name: str, tally: Counter[str], size: str) -> None:
        super().__init__()
        self.name, self.tally, self.size = name, tally, Decimal(size)
        self.reads: list[float] = []
        self.looks: list[float] = []

    async def on_receive(self, message: object) -> object:
        match message:
            case LookAtLegs():
                self.tally["looks"] += 1
                self.looks.append(trio.current_time())
                return self._legs()
            case ReadAccount():
                self.tally["reads"] += 1
                self.reads.append(trio.current_time())
        return None

    def _legs(self) -> FollowerLegs:
        leg = AuditLeg(
            leg=BTC,
            answers=BTC,
            size=self.size,
            owned=True,
            lot=Decimal("0.001"),
            master_size=Decimal(0),
            joined=True,
            holding=None,
            busy=False,
            paused=False,
            leverage=None,
            leverage_bounds=None,
            changed_at=0.0,
        )
        return FollowerLegs(
            exchange="bybit",
            state="ready",
            repair=Repair.ALERT,
            legs=(leg,) if self.size else (),
            heard_at=trio.current_time(),
            read_at=self.reads[-1] if self.reads else 0.0,
        )


class Flat(TrioActor):
    """A master without positions."""

    async def on_receive(self, message: object) -> object:
        return MasterLegs(reconciled=True, legs=()) if isinstance(message, DescribeLegs) else None


Rig = tuple[Bus, dict[str, Counted], Counter[str]]


@asynccontextmanager
async def audited_by(store: Store, size_of: Callable[[int], str]) -> AsyncIterator[Rig]:
    """Yield a bus, the followers and the tally of an auditor that runs."""
    tally: Counter[str] = Counter()
    bus = Bus()
    async with trio.open_nursery() as nursery:

        def live(actor: TrioActor, name: str) -> Address:
            mailbox = Mailbox(name)
            nursery.start_soon(Life(actor, mailbox).run)
            return Address(mailbox)

        actors = {f"f{n:04}": Counted(f"f{n:04}", tally, size_of(n)) for n in range(FOLLOWERS)}
        pairing = live(Flat(), "pairing")
        ports = AuditPorts(
            followers={name: live(actor, name) for name, actor in actors.items()},
            barred={},
            pairing=lambda: pairing,
            ledger=LedgerDesk(store, mode=Mode.INLINE),
            clock=TrioClock(),
            bus=bus,
        )
        live(Auditor(ports=ports), "auditor")
        yield bus, actors, tally
        nursery.cancel_scope.cancel()


@pytest.fixture
def ledger(make_store: Callable[[str], Store], sqlite_url: str) -> Store:
    return make_store(sqlite_url)


async def test_a_quiet_pass_is_one_look_each_and_fifty_accounts_read_in_turn(
    autojump_clock: MockClock, ledger: Store
) -> None:
    async with audited_by(ledger, lambda n: "0") as (bus, actors, tally):
        passes = 3
        with bus.subscribe() as events:
            for _ in range(passes):
                await events.__anext__()

        share = TRUTHS_PER_MINUTE["bybit"]
        assert tally["reads"] == passes * share
        read = [name for name, actor in actors.items() if actor.reads]
        assert len(read) == passes * share, "nobody is read twice before everybody had a turn"
        assert all(len(actor.reads) <= 1 for actor in actors.values())
        # Who is read is looked at again, until the account has been read.
        assert passes * FOLLOWERS <= tally["looks"] <= passes * (FOLLOWERS + 3 * share)
        at = Counter(moment for actor in actors.values() for moment in actor.looks)
        assert max(at.values()) <= max(GROUP, share), "whoever trades has its turn between two groups"


async def test_where_everybody_is_wrong_all_are_told_and_the_budget_stands(
    autojump_clock: MockClock, ledger: Store
) -> None:
    async with audited_by(ledger, lambda n: "0.5") as (bus, actors, tally):
        seen = []
        with bus.subscribe(capacity=10_000) as events:
            async for item in events:
                seen.append(getattr(item, "event", None))
                if isinstance(seen[-1], AuditFinished):
                    break

        assert {event.follower for event in seen if isinstance(event, DriftFound)} == set(actors)
        assert sum(isinstance(event, DriftFound) for event in seen) == FOLLOWERS
        assert tally["reads"] == TRUTHS_PER_MINUTE["bybit"]
        assert len(ledger.drifts()) == FOLLOWERS


async def test_those_of_whom_something_is_to_be_said_are_read_first(
    autojump_clock: MockClock, ledger: Store
) -> None:
    async with audited_by(ledger, lambda n: "0.5" if n >= FOLLOWERS - 10 else "0") as (bus, actors, _):
        with bus.subscribe(topics=["audit.finished"]) as events:
            await events.__anext__()

        wrong = [actor for actor in actors.values() if actor.size]
        assert len(wrong) == 10
        assert all(actor.reads for actor in wrong)

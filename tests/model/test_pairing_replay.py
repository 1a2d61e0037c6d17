"""The master's frames in any order, repeated or lost: the same changes, or at least the same end."""

import random
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from model.account import PositionReport
from model.change import Change, make_change_id
from model.leg import Leg
from model.order import OrderReport
from model.pairing import Pairing
from tests.model.master_session import EPOCH_MS, Frame, Master, feed, settle

SYMBOLS = ("AUSDT", "BUSDT", "HUSDT")
HEDGED = ("HUSDT",)

trades = st.fixed_dictionaries(
    {
        "delta": st.integers(-4, 4).filter(bool).map(lambda lots: Decimal(lots) / 2),
        "price": st.integers(90, 110).map(Decimal),
        "parts": st.sampled_from([1, 2, 4]),
        "one_seq": st.booleans(),
        "push": st.booleans(),
        "close": st.booleans(),
    }
)
steps = st.tuples(st.sampled_from(SYMBOLS), st.integers(1, 2), st.just("touch") | st.just("fund") | trades)


def play(session: Sequence[tuple[str, int, object]]) -> Master:
    master = Master(hedge=HEDGED)
    legs = set()
    for symbol, hedge_idx, what in session:
        idx = hedge_idx if symbol in HEDGED else 0
        held = master.row(Leg(symbol, idx)).size
        if isinstance(what, dict):
            options = {**what}
            delta = -held if options.pop("close") and held else options.pop("delta")
            options.pop("delta", None)
            if idx:  # a hedge leg keeps its side
                after = held + delta
                delta = delta if (after >= 0) == (idx == 1) or not after else -held or -delta
            legs.add(Leg(symbol, idx))
            master.trade(symbol, delta, idx=idx, **options)
        elif what == "touch":
            master.touch(symbol, idx=idx)
        else:
            master.fund(symbol, idx=idx)
    for leg in sorted(legs):
        master.push(leg.symbol, leg)
    return master


sessions = st.lists(steps, min_size=1, max_size=7).map(play)


@st.composite
def shuffled(draw: st.DrawFn, *, rows_in_order: bool) -> tuple[Master, list[Frame]]:
    """Return a session and its frames shuffled, some twice; rows in their own order if asked."""
    master = draw(sessions)
    dice = random.Random(draw(st.integers(0, 2**32)))
    frames = master.frames + dice.sample(master.frames, dice.randint(0, min(4, len(master.frames))))
    dice.shuffle(frames)
    if rows_in_order:
        places = [place for place, frame in enumerate(frames) if is_rows(frame)]
        told = sorted((frames[place] for place in places), key=master.frames.index)
        for place, frame in zip(places, told, strict=True):
            frames[place] = frame
    return master, frames


def is_rows(frame: Frame) -> bool:
    return not isinstance(frame, OrderReport) and isinstance(frame[0], PositionReport)


def by_leg(changes: Sequence[Change]) -> dict[Leg, list[Change]]:
    found = defaultdict(list)
    for change in changes:
        found[change.leg].append(change)
    return found


def assert_chain(changes: Sequence[Change]) -> None:
    """Each change begins where the one before it ended, and none comes twice."""
    assert len({change.change_id for change in changes}) == len(changes)
    for chain in by_leg(changes).values():
        size = Decimal(0)
        for change in chain:
            assert change.size_before == size
            assert change.size_after != size
            size = change.size_after


def assert_episodes(changes: Sequence[Change]) -> None:
    """Ids, beginnings and peaks follow from the chain alone."""
    for chain in by_leg(changes).values():
        opening, peak, margin = chain[0], Decimal(0), None
        for change in chain:
            if not change.size_before or change.size_before * change.size_after < 0:
                opening, peak = change, Decimal(0)
            if abs(change.size_after) > peak:
                peak, margin = abs(change.size_after), change.initial_margin
            assert (change.episode_id, change.peak_size, change.peak_margin) == (
                opening.change_id,
                peak,
                margin,
            )
            assert change.episode_began_ms == opening.episode_began_ms


def open_sizes(pairing: Pairing) -> dict[Leg, Decimal]:
    return {leg: change.size_after for leg, change in pairing.legs.items() if change.size_after}


@given(sessions)
def test_frames_in_their_own_order_leave_as_the_venue_meant_them(master: Master) -> None:
    pairing = Pairing({}, wait_s=1.0)

    changes = feed(pairing, master.frames)

    assert [
        (it.leg, it.size_before, it.size_after, it.seq, it.fill_price, it.initial_margin) for it in changes
    ] == [(it.leg, it.before, it.after, it.seq, it.price, it.margin) for it in master.expected]
    assert [it.change_id for it in changes] == [
        make_change_id(it.leg, it.seq, it.after) for it in master.expected
    ]
    assert not any(it.from_snapshot or it.caught_up for it in changes)
    assert pairing.parked == ()
    assert pairing.next_deadline() is None
    assert_chain(changes)
    assert_episodes(changes)


@given(shuffled(rows_in_order=True))
def test_rows_in_order_make_the_same_changes_however_the_rest_arrives(
    case: tuple[Master, list[Frame]],
) -> None:
    master, frames = case
    inorder, pairing = Pairing({}, wait_s=1.0), Pairing({}, wait_s=1.0)
    meant = by_leg(feed(inorder, master.frames))
    mixed = {make_change_id(it.leg, it.seq, it.after) for it in master.expected if it.mixed}

    changes = feed(pairing, frames)

    assert pairing.next_deadline() is None
    assert pairing.parked == ()
    got = by_leg(changes)
    assert {leg: [it.change_id for it in chain] for leg, chain in got.items()} == {
        leg: [it.change_id for it in chain] for leg, chain in meant.items()
    }
    for leg, chain in got.items():
        for number, change in enumerate(chain):
            twin = meant[leg][number]
            assert facts(change) == facts(twin)
            if change.from_snapshot:  # only what a reduction took along left without its fills
                assert any(later.change_class.reduces for later in chain[number:])
            elif change.change_id not in mixed:
                assert change.fill_price == twin.fill_price
    assert open_sizes(pairing) == master.sizes()


def facts(change: Change) -> tuple[object, ...]:
    return (
        change.size_before,
        change.size_after,
        change.initial_margin,
        change.leverage,
        change.entry_price,
        change.seq,
        change.venue_time_ms,
        change.episode_id,
        change.episode_began_ms,
        change.peak_size,
        change.peak_margin,
        change.caught_up,
    )


@given(shuffled(rows_in_order=False), st.data())
def test_lost_and_shuffled_frames_end_in_the_masters_state_all_the_same(
    case: tuple[Master, list[Frame]], data: st.DataObject
) -> None:
    master, frames = case
    dice = random.Random(data.draw(st.integers(0, 2**32)))
    kept = [frame for frame in frames if dice.random() < 0.7]
    cut = data.draw(st.integers(0, len(kept)))
    live = data.draw(st.booleans())
    pairing = Pairing({}, wait_s=1.0)

    changes = feed(pairing, kept[:cut])
    changes += read_all(pairing, master, live=live)
    changes += feed(pairing, kept[cut:], now=0.01)
    changes += read_all(pairing, master, live=True, now=0.02)
    changes += settle(pairing, master, now=0.02)

    assert pairing.parked == ()
    assert open_sizes(pairing) == master.sizes()
    assert_chain(changes)
    assert_episodes(changes)
    for leg, size in master.sizes().items():
        last = pairing.legs[leg]
        assert last.initial_margin == master.row(leg).initial_margin, size


@given(sessions, st.data())
def test_a_restart_goes_on_from_the_last_changes(master: Master, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(master.frames)))
    resent = data.draw(st.integers(0, cut))
    first = Pairing({}, wait_s=1.0)
    changes = feed(first, master.frames[:cut])

    second = Pairing(first.legs, wait_s=1.0)
    told = {row.leg.symbol for row in master.listing()} | second.unlisted(master.listing())
    changes += read_all(second, master, live=False)
    caught_up = len(changes)
    changes += feed(second, master.frames[resent:], now=0.01)
    changes += settle(second, master, now=0.02)

    assert not [change for change in changes[caught_up:] if change.leg.symbol in told]
    assert open_sizes(second) == master.sizes()
    assert_chain(changes)
    assert second.parked == ()


def read_all(pairing: Pairing, master: Master, *, live: bool, now: float = 0.0) -> list[Change]:
    """Take a listing, and a reading of each symbol that the listing leaves out."""
    listing = master.listing()
    changes = list(pairing.snapshot(listing, now=now, received_at_ms=EPOCH_MS, live=live))
    for symbol in sorted(pairing.unlisted(listing)):
        changes += pairing.settled(symbol, master.reading(symbol), now=now, received_at_ms=EPOCH_MS)
    return changes

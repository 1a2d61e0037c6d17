"""Changes that no frame of the master brings: in other units, or an operator's (R5, R20)."""

from decimal import Decimal

import attrs
from hypothesis import given
from hypothesis import strategies as st

from model.change import Change, episode_after, in_units, make_change_id, operator_close
from model.leg import Leg
from tests.model.factories import make_change

D = Decimal
SHORT = Leg("BTCUSDT", 2)


@given(
    st.decimals("-1e6", "1e6", places=4),
    st.decimals("-1e6", "1e6", places=4),
    st.decimals("1", "1e6", places=2),
    st.sampled_from([D(10), D(1000), D(10_000)]),
)
def test_other_units_are_more_of_less_worth(
    before: Decimal, after: Decimal, price: Decimal, factor: Decimal
) -> None:
    change = make_change(before, after, fill_price=price, entry_price=price + 1)

    counted = in_units(change, factor)

    assert (counted.size_before, counted.size_after) == (before * factor, after * factor)
    assert counted.peak_size == change.peak_size * factor
    assert counted.fill_price is not None
    assert counted.entry_price is not None
    assert (counted.fill_price * factor, counted.entry_price * factor) == (price, price + 1)
    own = ("size_before", "size_after", "peak_size", "fill_price", "entry_price")
    assert attrs.evolve(counted, **{name: getattr(change, name) for name in own}) == change


def test_a_price_that_nobody_knows_stays_unknown_in_every_unit() -> None:
    counted = in_units(make_change("0", "1", fill_price=None, entry_price=None), D(1000))

    assert (counted.fill_price, counted.entry_price) == (None, None)


def test_what_an_operator_has_closed_is_in_the_followers_own_units() -> None:
    change = operator_close("alice", SHORT, D("-3"), 7)

    assert in_units(change, D(1000)) is change
    assert in_units(make_change("0", "1"), D(1)) == make_change("0", "1")


def test_an_operators_close_is_an_episode_of_its_own_that_no_age_holds_up() -> None:
    change = operator_close("alice", SHORT, D("-3"), 7)

    assert change == Change(
        change_id=change.change_id,
        leg=SHORT,
        size_before=D("-3"),
        size_after=D(0),
        initial_margin=None,
        leverage=None,
        fill_price=None,
        master_equity=None,
        entry_price=None,
        venue_time_ms=7,
        received_at_ms=7,
        seq=-1,
        episode_id=change.change_id,
        episode_began_ms=7,
        peak_size=D(3),
        peak_margin=None,
        caught_up=True,
        by_operator=True,
    )


def test_each_closing_has_an_id_of_its_own_that_the_same_asking_repeats() -> None:
    asked = [("alice", SHORT, 7), ("alice", SHORT, 7), ("bob", SHORT, 7), ("alice", SHORT, 8)]
    asked += [("alice", Leg("BTCUSDT", 1), 7), ("alice", Leg("ETHUSDT", 2), 7)]

    ids = [operator_close(name, leg, D(1), at).change_id for name, leg, at in asked]

    assert ids[0] == ids[1]
    assert len(set(ids)) == 5
    assert all(len(it) == 32 for it in ids), "what the ledger's column takes"


def test_a_peak_that_is_reached_again_keeps_the_margin_of_the_first_time() -> None:
    first = make_change("0", "2", peak_margin=D(20))
    less = attrs.evolve(first, size_before=D(2), size_after=D(1))

    again = episode_after(less, change_id="x", size_after=D(2), margin=D(31), began_ms=9)
    grown = episode_after(less, change_id="x", size_after=D("2.1"), margin=D(31), began_ms=9)

    assert (again.peak_size, again.peak_margin) == (D(2), D(20))
    assert (grown.peak_size, grown.peak_margin) == (D("2.1"), D(31))


def test_a_change_id_fits_the_ledgers_column() -> None:
    assert len(make_change_id(SHORT, 7, D("-1.50"))) == 32
    assert make_change_id(SHORT, 7, D("-1.50")) == make_change_id(SHORT, 7, D("-1.5"))

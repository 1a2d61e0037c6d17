"""What is done without the ledger is merged when it is back (R18)."""

import os
from decimal import Decimal
from pathlib import Path
from threading import Event, Thread

import pytest

from model.copy import ClaimAnswer, CopyState
from model.ledger import LedgerUnreachable, Store
from model.ledger.codec import encode_claim
from model.ledger.journal import Journal, JournalMerged
from model.leg import Leg
from model.order import OrderState
from tests.model.ledger.factories import (
    NOW_MS,
    make_change,
    make_claim,
    make_holding,
    make_order,
    make_outcome,
)

CLOSING = make_change(2, before="1.5", after="0")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


def test_claims_and_outcomes_are_merged_once(store: Store, journal: Journal) -> None:
    done, open_still = make_claim("alice", CLOSING), make_claim("bob", CLOSING)
    journal.append(claim=done)
    journal.append(claim=open_still)
    journal.append(outcome=make_outcome(done))

    assert journal.merge_into(store) == JournalMerged(merged=3)

    assert journal.is_empty()
    assert journal.merge_into(store) == JournalMerged()
    row = store.explain(done.copy_id)
    assert row is not None
    assert (row.state, row.orders, row.explain["target"]) == (
        CopyState.APPLIED,
        make_outcome(done).orders,
        "0.15",
    )
    assert [copy.change for copy in store.open_copies("bob")] == [CLOSING]


def test_a_merge_that_was_cut_off_is_repeated_without_harm(store: Store, journal: Journal) -> None:
    claim = make_claim("alice", CLOSING)
    journal.append(claim=claim, outcome=make_outcome(claim))
    journal.merge_into(store)

    journal.append(claim=claim, outcome=make_outcome(claim))
    assert journal.merge_into(store) == JournalMerged(merged=2)

    assert [row.state for row in store.copies()] == [CopyState.APPLIED]


def test_planned_orders_are_merged_after_their_claim(store: Store, journal: Journal) -> None:
    claim = make_claim("alice", CLOSING)
    second = make_order(claim, attempt=1, state=OrderState.CLAIMED, filled=Decimal(0))
    journal.append(claim=claim, orders=[second])

    assert journal.merge_into(store) == JournalMerged(merged=2)

    (copy,) = store.open_copies("alice")
    assert second.client_order_id in {order.client_order_id for order in copy.orders}


def test_what_is_known_of_a_leg_since_the_outage_stays(store: Store, journal: Journal) -> None:
    """Found by simulation: a merged close disowned the position that was opened after it."""
    closed, opened = make_claim("alice", CLOSING), make_claim("alice", make_change(3, after="2"))
    before = make_holding(owned=False, master_size=Decimal(0), change_id=CLOSING.change_id)
    after = make_holding(owned=True, master_size=Decimal(2), change_id=opened.change.change_id)
    eth = make_holding(leg=Leg("ETHUSDT"), owned=False, change_id=CLOSING.change_id)
    journal.append(claim=closed, outcome=make_outcome(closed, holdings=(before, eth)))
    store.claim([opened], now_ms=NOW_MS)
    store.record([make_outcome(opened, holdings=(after,))])

    journal.merge_into(store)

    assert store.holdings("alice") == [after, eth]
    assert [row.state for row in store.copies()] == [CopyState.APPLIED] * 2


def test_an_outage_of_days_makes_nothing_stale(store: Store, journal: Journal) -> None:
    journal.append(claim=make_claim("alice", CLOSING))

    journal.merge_into(store)

    assert store.claim([make_claim("alice", CLOSING)], now_ms=NOW_MS + 10**9) == [ClaimAnswer.DUPLICATE]
    assert len(store.open_copies("alice")) == 1


def test_a_torn_line_was_not_promised_and_does_not_spoil_the_next(
    store: Store, journal: Journal, tmp_path: Path
) -> None:
    journal.append(claim=make_claim("alice", CLOSING))
    with (tmp_path / "journal").open("a") as file:
        file.write('claim {"copy_id":"torn')

    journal.append(claim=make_claim("bob", CLOSING))

    assert journal.merge_into(store) == JournalMerged(merged=2)
    assert {row.follower for row in store.copies()} == {"alice", "bob"}


def test_lines_that_nobody_can_read_are_set_aside(store: Store, journal: Journal, tmp_path: Path) -> None:
    unclaimed = make_outcome(make_claim("nobody", CLOSING))
    journal.append(outcome=unclaimed)
    with (tmp_path / "journal").open("a") as file:
        file.write(f"gossip\nclaim {{}}\nclaim {encode_claim(make_claim())}\n")

    assert journal.merge_into(store) == JournalMerged(merged=1, refused=3)

    assert [row.follower for row in store.copies()] == ["alice"]
    assert len(journal.refused_path.read_text().splitlines()) == 3


def test_it_is_kept_while_the_ledger_is_away(journal: Journal, store: Store, tmp_path: Path) -> None:
    class Absent(Store):
        def write(self, batch, *, now_ms):  # type: ignore[no-untyped-def]
            raise LedgerUnreachable("no route")

    journal.append(claim=make_claim("alice", CLOSING))

    with pytest.raises(LedgerUnreachable):
        journal.merge_into(Absent(store.database))

    assert not journal.is_empty()
    assert journal.merge_into(store) == JournalMerged(merged=1)
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o600


def test_a_disk_that_does_not_take_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnreachable, match="journal"):
        Journal(tmp_path / "none" / "journal").append(claim=make_claim())


def test_only_what_was_torn_is_dropped_and_every_whole_line_stays(
    store: Store, journal: Journal, tmp_path: Path
) -> None:
    for name in ("alice", "bob", "carol"):
        journal.append(claim=make_claim(name, CLOSING))
    with (tmp_path / "journal").open("ab") as file:
        file.write(b"claim \xff")

    journal.append(claim=make_claim("dave", CLOSING))

    assert journal.merge_into(store) == JournalMerged(merged=4)
    assert {row.follower for row in store.copies()} == {"alice", "bob", "carol", "dave"}


def test_a_line_in_no_known_encoding_is_set_aside_as_it_is_read(
    store: Store, journal: Journal, tmp_path: Path
) -> None:
    with (tmp_path / "journal").open("wb") as file:
        file.write(b"claim \xff {}\ngossip\n")

    assert journal.merge_into(store) == JournalMerged(refused=2)

    assert journal.refused_path.read_text() == "claim \ufffd {}\ngossip\n"


def test_words_with_blanks_come_through(store: Store, journal: Journal) -> None:
    claim = make_claim("alice", CLOSING)
    words = make_order(claim, detail="the venue said: try again later")
    journal.append(claim=claim, orders=[words], outcome=make_outcome(claim, orders=(words,)))

    assert journal.merge_into(store) == JournalMerged(merged=3)

    assert store.copies()[0].orders == (words,)


def test_a_disk_that_takes_a_part_keeps_nothing_of_it(
    store: Store, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    journal.append(claim=make_claim("alice", CLOSING))
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:20]))

    with pytest.raises(LedgerUnreachable, match="journal: the disk took only a part"):
        journal.append(claim=make_claim("bob", CLOSING))
    monkeypatch.undo()

    assert journal.merge_into(store) == JournalMerged(merged=1)
    assert [row.follower for row in store.copies()] == ["alice"]


def test_a_new_journal_is_in_its_directory_for_good(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that was synced is lost all the same with a directory that was not."""
    synced: list[int] = []
    fsync = os.fsync

    def note(file: int) -> None:
        synced.append(os.fstat(file).st_ino)
        fsync(file)

    monkeypatch.setattr(os, "fsync", note)
    assert journal.is_empty()
    journal.append(claim=make_claim("alice", CLOSING))
    journal.append(claim=make_claim("bob", CLOSING))

    file, directory = (tmp_path / "journal").stat().st_ino, tmp_path.stat().st_ino
    assert synced == [file, directory, file]


def test_a_merge_that_fails_names_the_file(store: Store, journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()

    with pytest.raises(LedgerUnreachable, match=f"journal {tmp_path / 'journal'}: "):
        journal.merge_into(store)


def test_a_single_byte_that_was_torn_is_dropped_too(store: Store, journal: Journal, tmp_path: Path) -> None:
    journal.append(claim=make_claim("alice", CLOSING))
    with (tmp_path / "journal").open("a") as file:
        file.write("c")

    journal.append(claim=make_claim("bob", CLOSING))

    assert journal.merge_into(store) == JournalMerged(merged=2)


def test_what_is_kept_while_a_merge_hangs_waits_for_nothing(
    store: Store, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A merge held the file for as long as the database took, and with it every reduction."""
    reached, go_on = Event(), Event()
    write = Store.write

    def hanging(*args: object, **options: object) -> object:
        reached.set()
        assert go_on.wait(5)
        return write(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "write", hanging)
    journal.append(claim=make_claim("alice", CLOSING))
    merge = Thread(target=journal.merge_into, args=(store,))
    merge.start()
    assert reached.wait(5)

    journal.append(claim=make_claim("bob", CLOSING))
    go_on.set()
    merge.join(5)

    assert journal.is_empty()
    assert {row.follower for row in store.copies()} == {"alice", "bob"}

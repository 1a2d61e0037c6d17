"""What was done while the ledger was unreachable, on local disk until it can be merged (R18).

One line a claim, an order or an outcome, synced before `append` returns: a reduction leaves only after its
claim is here or in the ledger. A line that was torn by a crash was not promised to anybody.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import attrs

from model.copy import Claim, CopyOutcome, OrderRecord
from model.ledger.codec import (
    decode_claim,
    decode_order,
    decode_outcome,
    encode_claim,
    encode_order,
    encode_outcome,
)
from model.ledger.errors import LedgerRefused, LedgerUnreachable
from model.ledger.store import Store, WriteBatch


@attrs.frozen(kw_only=True)
class JournalMerged:
    """What a merge did: entries that the ledger has now, and those set aside as unreadable."""

    merged: int = 0
    refused: int = 0


class Journal:
    """An append-only file; every method blocks, and may be called from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._merging = Lock()

    @property
    def refused_path(self) -> Path:
        """Where lines go that neither we nor the ledger can take, for the operator to read."""
        return self._path.with_name(self._path.name + ".refused")

    def append(
        self,
        *,
        claim: Claim | None = None,
        orders: Sequence[OrderRecord] = (),
        outcome: CopyOutcome | None = None,
    ) -> None:
        """Write and sync. Raises: LedgerUnreachable when the disk does not take it either."""
        lines = []
        if claim is not None:
            lines.append(f"claim {encode_claim(claim)}\n")
        lines += [f"order {encode_order(order)}\n" for order in orders]
        if outcome is not None:
            lines.append(f"outcome {encode_outcome(outcome)}\n")
        with self._lock, _disk_errors(self._path):
            _append(self._path, "".join(lines).encode())

    def is_empty(self) -> bool:
        """Tell whether there is nothing to merge."""
        try:
            return self._path.stat().st_size == 0
        except FileNotFoundError:
            return True

    def merge_into(self, store: Store) -> JournalMerged:
        """Write everything into the ledger, then forget it; a repeated merge changes nothing.

        Copies without an outcome become open copies, which the follower settles (R2).
        Raises: LedgerUnreachable, and keeps what is not merged yet.
        """
        if self.is_empty():
            return JournalMerged()
        with self._merging, _disk_errors(self._path):
            merged = refused = taken = 0
            # The ledger may hang in the middle: a reduction that is kept meanwhile does not wait for it.
            while lines := self._beyond(taken):
                poor = [it for it in (_text(line) for line in lines) if not _merge_line(store, it)]
                if poor:
                    _append(self.refused_path, "".join(f"{it}\n" for it in poor).encode())
                merged, refused = merged + len(lines) - len(poor), refused + len(poor)
                taken += sum(len(line) + 1 for line in lines)
            return JournalMerged(merged=merged, refused=refused)

    def _beyond(self, taken: int) -> Sequence[bytes]:
        """Return the whole lines after so many bytes; where there are none, forget everything."""
        with self._lock:
            whole, _, _torn = self._path.read_bytes()[taken:].rpartition(b"\n")
            if not whole:
                os.truncate(self._path, 0)
            return whole.split(b"\n") if whole else ()


def _text(line: bytes) -> str:
    return line.decode(errors="replace")


def _merge_line(store: Store, line: str) -> bool:
    kind, _, body = line.partition(" ")
    try:
        if kind == "claim":
            claim = decode_claim(body)
            # Judged by its own time: it was acted on then, however long the outage was.
            store.write(WriteBatch(claims=[claim]), now_ms=claim.claimed_at_ms)
        elif kind == "order":
            store.plan_orders([decode_order(body)])
        elif kind == "outcome":
            store.record_kept(decode_outcome(body))
        else:
            return False
    except LedgerRefused:
        return False
    return True


def _append(path: Path, data: bytes) -> None:
    is_new = not path.exists()
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        _drop_torn_line(file)
        size = os.fstat(file).st_size
        if os.write(file, data) != len(data):
            os.ftruncate(file, size)
            raise OSError("the disk took only a part")
        os.fsync(file)
    finally:
        os.close(file)
    if is_new:
        _sync_directory(path.parent)


def _drop_torn_line(file: int) -> None:
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        content = os.pread(file, size, 0)
        os.ftruncate(file, content.rfind(b"\n") + 1)


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LedgerUnreachable(f"journal {path}: {error}") from error

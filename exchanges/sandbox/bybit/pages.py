"""Lists in pages, with a cursor that arrives percent-encoded already, as the venue's do."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from exchanges.sandbox.bybit import params as read

CURSOR = re.compile(r"page_args=(\d{1,9})&")
T = TypeVar("T")


def page_of(
    rows: Sequence[T], params: Mapping[str, str], *, default: int, most: int
) -> tuple[Sequence[T], str]:
    """Return the rows that ``limit`` and ``cursor`` select, and the next cursor, "" at the end."""
    limit = read.integer(params, "limit", default)
    if limit < 1:
        raise read.error("limit invalid")
    start = _start(params.get("cursor", ""))
    end = start + min(limit, most)
    return rows[start:end], quote(f"page_args={end}&") if end < len(rows) else ""


def _start(cursor: str) -> int:
    """Take the cursor as it was given, or encoded once more by a careful client."""
    if not cursor:
        return 0
    found = CURSOR.fullmatch(unquote(cursor))
    if found is None:
        raise read.error("cursor invalid")
    return int(found[1])


def listing(rows: Sequence[Any], cursor: str) -> dict[str, Any]:
    """Return the usual result around a page."""
    return {"category": "linear", "list": list(rows), "nextPageCursor": cursor}


def nothing(category: str) -> dict[str, Any]:
    """Return the result for a category of which there is nothing."""
    return {"category": category, "list": [], "nextPageCursor": ""}

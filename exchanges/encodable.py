"""Texts that no file, database or screen takes: half of a surrogate pair, which JSON can write."""

import json
from typing import TypeVar

T = TypeVar("T")


def encodable(found: T, text: str | bytes) -> T:
    """Return what was read from ``text``; raises ValueError where a part of it cannot be written anywhere."""
    escape = "\\ud" if isinstance(text, str) else b"\\ud"
    if escape in text or escape.upper() in text or escape.swapcase() in text:  # type: ignore[operator]
        json.dumps(found, ensure_ascii=False, default=str).encode()
    return found

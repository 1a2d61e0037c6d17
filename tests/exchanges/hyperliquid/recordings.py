"""Recorded messages of the venue, where COPYTRADER_RECORDINGS says they are."""

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

_ROOT = os.environ.get("COPYTRADER_RECORDINGS", "")


def recorded(name: str) -> Any:
    """Return what a recording holds, its numbers as the codec reads them; skips without recordings."""
    if not _ROOT:
        pytest.skip("COPYTRADER_RECORDINGS names no folder of recordings")
    path = Path(_ROOT) / "hyperliquid" / name
    return json.loads(path.read_text(), parse_float=Decimal)

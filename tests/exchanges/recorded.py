"""Every recorded message of a venue, where COPYTRADER_RECORDINGS says they are."""

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

Files = dict[str, Any]


def recorded_files(venue: str) -> Files:
    """Return what each file of a venue holds, by its name; skips without recordings."""
    folder = os.environ.get("COPYTRADER_RECORDINGS")
    if not folder or not (Path(folder) / venue).is_dir():
        pytest.skip(f"COPYTRADER_RECORDINGS names no folder with recordings of {venue}")
    paths = sorted(path for path in (Path(folder) / venue).rglob("*") if path.is_file())
    return {path.name: json.loads(path.read_text(), parse_float=Decimal) for path in paths}

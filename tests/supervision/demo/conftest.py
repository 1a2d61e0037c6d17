"""A stage without an engine: everybody's venues, and a ledger that nobody writes."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from exchanges.sandbox.houses import build_houses
from model.ledger import open_store
from supervision.demo.cast import accounts_by_venue, master_account, players
from supervision.demo.market import describe_venues
from supervision.demo.stage import Stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Yield venues with everybody on them; no engine runs."""
    cast = players()
    nobody: Any = SimpleNamespace()
    store = open_store("sqlite://")
    yield Stage(
        houses=build_houses(describe_venues(accounts_by_venue(master_account(), cast))),
        endpoints={},
        engine=nobody,
        bus=nobody,
        store=store,
        players=cast,
    )
    store.close()

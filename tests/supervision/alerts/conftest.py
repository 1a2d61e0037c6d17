"""Houses of alerts, each on a ledger of its own."""

from collections.abc import Callable
from typing import Any

import pytest

from model.ledger import Store
from supervision.settings import NotifySettings
from tests.supervision.alerts.house import AlertsHouse, FakeChannel, MakeHouse


@pytest.fixture
def make_house(make_store: Callable[[str], Store]) -> MakeHouse:
    def make(*channels: Any, **notify: Any) -> AlertsHouse:
        settings = NotifySettings(**{"heartbeat_minute": None, **notify})
        return AlertsHouse(make_store("sqlite://"), channels or (FakeChannel(),), settings)

    return make

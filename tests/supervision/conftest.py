"""Scenarios that ask for ``venue`` play for a follower on each venue; the master is on Bybit always."""

import pytest

from tests.houses import VENUES


@pytest.fixture(params=["bybit", *VENUES])
def venue(request: pytest.FixtureRequest) -> str:
    """Return the name of the follower's venue."""
    name: str = request.param
    return name

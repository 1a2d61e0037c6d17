"""The venues on which the audit's scenarios are played."""

import pytest

from tests.houses import VENUES


@pytest.fixture(params=("bybit", *VENUES))
def venue(request: pytest.FixtureRequest) -> str:
    """Return the name of the follower's venue."""
    name: str = request.param
    return name

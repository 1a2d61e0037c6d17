"""A world in memory; tests that use it ask for ``autojump_clock`` too: pytest-trio looks only there."""

from collections.abc import AsyncIterator

import pytest

from tests.exchanges.sandbox.binance.client import World, open_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with open_world() as opened:
        yield opened


@pytest.fixture
async def strict_world() -> AsyncIterator[World]:
    async with open_world(enforce_limits=True) as opened:
        yield opened

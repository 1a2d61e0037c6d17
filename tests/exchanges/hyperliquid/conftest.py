"""A scripted venue for each test that asks for one."""

from collections.abc import AsyncIterator

import pytest
import trio

from tests.exchanges.hyperliquid.script import World, open_world


@pytest.fixture
async def world(nursery: trio.Nursery) -> AsyncIterator[World]:
    """Yield a venue in memory ; the test asks for virtual time itself."""
    made = await open_world(nursery)
    yield made
    await made.venue.aclose()

"""Fixtures for the whole suite: the money context, and ledgers on SQLite and PostgreSQL."""

import itertools
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import Phase
from hypothesis import settings as hypothesis_settings

from model.amounts import use_money_context
from model.ledger.store import Store, open_store
from tests.postgres import TEMPLATE, create_database, drop_database, empty_ledger, running_postgres

_NUMBERS = itertools.count()
FOLDER_CHARACTERS = 12

# For mutants: the same few examples each time, and what fails need not be made smaller.
hypothesis_settings.register_profile(
    "quick",
    max_examples=25,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
)


@pytest.fixture(autouse=True)
def money_context() -> None:
    """Every test computes in the context in which the engine computes (R6)."""
    use_money_context()


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of this test's own, in place of pytest's.

    Its name is short: a socket's path may have 107 bytes, and the user's and the worker's name are in it.
    """
    return tmp_path_factory.mktemp(re.sub(r"\W", "_", request.node.name)[:FOLDER_CHARACTERS])


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Yield the url of a PostgreSQL server that lives as long as the session.

    Outside pytest's own directory: another session that starts closes that to the server's user.
    """
    with (
        tempfile.TemporaryDirectory(prefix="copytrader-postgres-") as directory,
        running_postgres(Path(directory)) as url,
    ):
        yield url


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[str]:
    """Yield the name of a database that holds an empty ledger, to be copied."""
    name = f"{TEMPLATE}_{os.getpid()}"
    url = create_database(postgres_server, name)
    open_store(url).close()
    yield name
    drop_database(postgres_server, url)


@pytest.fixture(scope="session")
def spare_ledgers(postgres_server: str) -> Iterator[list[str]]:
    """Yield the urls of empty ledgers that no test uses at the moment."""
    made: list[str] = []
    yield made
    for url in made:
        drop_database(postgres_server, url)


@pytest.fixture
def postgres_url(postgres_server: str, postgres_template: str, spare_ledgers: list[str]) -> Iterator[str]:
    """Yield the url of an empty ledger on PostgreSQL, this test's own."""
    if spare_ledgers:
        url = spare_ledgers.pop()
    else:
        name = f"copytrader_test_{os.getpid()}_{next(_NUMBERS)}"
        url = create_database(postgres_server, name, postgres_template)
    yield url
    if empty_ledger(url):
        spare_ledgers.append(url)
    else:
        drop_database(postgres_server, url)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Return the url of a ledger file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def ledger_url(request: pytest.FixtureRequest) -> str:
    """Return the url of an empty ledger, on each database in turn."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def make_store() -> Iterator[Callable[[str], Store]]:
    """Open ledgers that are closed with the test."""
    opened: list[Store] = []

    def make(url: str) -> Store:
        opened.append(open_store(url))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def store(ledger_url: str, make_store: Callable[[str], Store]) -> Store:
    """Return an empty ledger, on each database in turn."""
    return make_store(ledger_url)

"""What the url of a PostgreSQL ledger says, and what is said of it; nothing is connected."""

import pytest

from model.ledger import open_database
from model.ledger.connection import POSTGRES_SESSION


@pytest.mark.parametrize(
    ("url", "name", "where"),
    [
        ("postgresql://u@db/books", "books", "postgresql ledger books on db"),
        ("postgresql://u@/books", "books", "postgresql ledger books on the local socket"),
        ("postgresql://u@db", "u", "postgresql ledger u on db"),
        ("postgresql://db", "postgres", "postgresql ledger postgres on db"),
        ("postgres://u@a:1,b:2/books", "books", "postgresql ledger books on a,b"),
    ],
)
def test_a_postgresql_ledger_has_a_name_and_a_place(url: str, name: str, where: str) -> None:
    database = open_database(url)

    assert (database.connection_parameters["dbname"], database.where) == (name, where)


def test_options_of_a_postgresql_url_come_after_ours() -> None:
    ours = open_database("postgresql://u@db/n").connection_parameters["options"]
    both = open_database("postgresql://u@db/n?options=-c%20search_path%3Dx").connection_parameters["options"]

    assert ours == POSTGRES_SESSION
    assert both == f"{POSTGRES_SESSION} -c search_path=x", "the last one of a setting counts"


def test_a_wrong_postgresql_url_is_answered_with_a_right_one() -> None:
    words = r"^not a PostgreSQL ledger url: postgresql://user@host/name\?options$"
    for url in ("postgresql://u@a:1,b:two/n", "postgresql://u@h/n?no_such_option=1"):
        with pytest.raises(ValueError, match=words):
            open_database(url)

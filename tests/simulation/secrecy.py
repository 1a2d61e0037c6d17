"""Whether a secret has left the engine: in a log line, an event, an answer, the ledger, the journal."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import structlog

from tests.world import World

SHOWN = 80


@attrs.define
class Secrecy:
    """Hears every log line of a run; `leaks` looks through them and through all that is kept."""

    lines: list[str] = attrs.field(factory=list)
    answers: list[tuple[str, str]] = attrs.field(factory=list)
    """Questions of operators, and what they were told."""

    @contextmanager
    def listen(self) -> Iterator[None]:
        """Hear what is logged meanwhile, by either library; it goes its way all the same."""
        handler = _Hearing(self.lines)
        processors = structlog.get_config()["processors"]
        logging.getLogger().addHandler(handler)
        processors.insert(0, self._hear)
        try:
            yield
        finally:
            processors.remove(self._hear)
            logging.getLogger().removeHandler(handler)

    def _hear(self, _: object, __: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        self.lines.append(str(fields))
        return fields

    def leaks(self, world: World, directory: Path) -> list[str]:
        """Return where a secret of any account turns up, without showing it."""
        secrets = secrets_of(world)
        told = [("a log line", line) for line in self.lines]
        told += [(f"the event {type(event).__name__}", str(event)) for event in world.events]
        told += [(f"the answer to {question}", answer) for question, answer in self.answers]
        told += [
            (f"the file {path.name}", path.read_bytes().decode("latin-1"))
            for path in sorted(directory.rglob("*"))
            if path.is_file()
        ]
        return [
            f"a secret of {name} is in {where}: {_around(text, secret)}"
            for where, text in told
            for name, secret in secrets
            if secret in text
        ]


def secrets_of(world: World) -> list[tuple[str, str]]:
    """Return every account's secrets; a wallet's address on Hyperliquid is none."""
    return [
        (name, secret)
        for house in world.houses
        for name, account in house.core.accounts.items()
        for secret in (
            account.api_secret,
            account.api_secret.removeprefix("0x"),
            *((account.api_key,) if house.exchange != "hyperliquid" else ()),
        )
    ]


def _around(text: str, secret: str) -> str:
    place = text.index(secret)
    return f"{text[max(0, place - SHOWN) : place]}***".replace("\n", " ")


class _Hearing(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))

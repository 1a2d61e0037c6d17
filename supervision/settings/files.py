"""Reads a TOML file into a table whose findings know their lines."""

import re
import tomllib
from decimal import Decimal
from pathlib import Path

from supervision.settings.errors import ConfigError, ConfigErrors
from supervision.settings.table import Findings, Table
from supervision.settings.toml_lines import TomlLines

SIZE_MAX = 8 * 1024 * 1024
_PLACE = re.compile(r"\s*\(at line (\d+), column \d+\)|\s*\(at end of document\)")


def read_toml(path: Path) -> Table:
    """Return the top table of a file; numbers with a point are Decimal, never float.

    Raises: ConfigErrors when there is no such file or it is not TOML.
    """
    text = _read(path)
    try:
        data = tomllib.loads(text, parse_float=Decimal)
    except (ValueError, ArithmeticError) as error:
        place = _PLACE.search(str(error))
        line = int(place[1]) if place and place[1] else None
        raise _refused(path, "TOML", _PLACE.sub("", str(error)), line) from None
    except RecursionError:
        raise _refused(path, "TOML", "tables nested too deeply") from None
    return Table(data, (), Findings(str(path), TomlLines(text)))


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(SIZE_MAX + 1)
        if len(raw) > SIZE_MAX:
            raise _refused(path, f"at most {SIZE_MAX} bytes", "a larger file")
        return raw.decode().replace("\r\n", "\n")
    except OSError as error:
        raise _refused(path, "a readable file", str(error.strerror)) from None
    except UnicodeDecodeError:
        raise _refused(path, "UTF-8 text", "other bytes") from None


def _refused(path: Path, expected: str, got: str, line: int | None = None) -> ConfigErrors:
    return ConfigErrors([ConfigError("", line, expected, got, str(path))])

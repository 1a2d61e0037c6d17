"""Writes answers and events as lines, a little at a time, so that a large one holds nobody up."""

import json
from collections.abc import Mapping
from typing import Any

import trio

from actors.bus import as_json
from supervision.redaction import REDACTOR

PIECES_PER_TURN = 400
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=as_json)


def encode_small(message: Mapping[str, Any]) -> bytes:
    """Return a short message as a line at once."""
    return _line(["".join(_ENCODER.iterencode(message))])


async def encode(message: Mapping[str, Any]) -> bytes:
    """Return a message as a line, letting other tasks run in between; secrets in texts are masked.

    Raises: ValueError, TypeError for what JSON cannot say.
    """
    pieces: list[str] = []
    for number, piece in enumerate(_ENCODER.iterencode(message), start=1):
        pieces.append(REDACTOR.text(piece))
        if number % PIECES_PER_TURN == 0:
            await trio.lowlevel.checkpoint()
    return _line(pieces)


def _line(pieces: list[str]) -> bytes:
    return "".join((*pieces, "\n")).encode("utf-8", "backslashreplace")

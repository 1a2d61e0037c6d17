"""The live picture fits where it is drawn, and says what a venue does not list."""

import io
from decimal import Decimal

from rich.console import Console

from actors.events import CopyFinished
from actors.messages import FollowerStatus, KeyStatus, LegStatus
from model.copy import CopyState
from model.key_standing import KeyState
from supervision.demo.cast import MASTER
from supervision.demo.market import DASH, PEPE
from supervision.demo.stage import Stage
from supervision.demo.table import Scene, draw
from supervision.demo.watch import Watch

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT", PEPE, DASH)


def lines(stage: Stage, watch: Watch, statuses: dict[str, FollowerStatus], *, width: int = 80) -> list[str]:
    console = Console(width=width, height=24, record=True, file=io.StringIO())
    console.print(draw(stage, watch, statuses, Scene("trades", "act 1 of 2"), width=width))
    return [line for line in console.export_text().splitlines() if line.strip()]


def status(stage: Stage, name: str, position: str, symbols: tuple[str, ...] = SYMBOLS) -> FollowerStatus:
    player = next(it for it in stage.players if it.name == name)
    house = stage.house(player)
    legs = [
        LegStatus(
            symbol=own,
            position_idx=1 if player.hedge else 0,
            target=position,
            position=position,
            drift="0",
            owned=True,
        )
        for symbol in symbols
        if (own := house.name_of(symbol)) is not None
    ]
    return FollowerStatus(
        name=name,
        exchange=player.settings.exchange,
        state="ready",
        equity="123456789.12",
        legs=tuple(legs),
        unknown_orders=0,
        busy_symbols=(),
        key=KeyStatus(state=KeyState.ACCEPTED, checked_at_ms=1),
    )


def finished(exchange: str) -> CopyFinished:
    return CopyFinished(
        copy_id="c",
        change_id="m",
        follower="x",
        exchange=exchange,
        symbol="BTCUSDT",
        state=CopyState.APPLIED,
        reason=None,
        orders=1,
        caught_up=False,
        received_to_sent_ms=12345.0,
        received_to_acknowledged_ms=12345.0,
        received_to_filled_ms=12345.0,
    )


def test_it_fits_eighty_columns_however_large_the_numbers(stage: Stage) -> None:
    watch = Watch()
    for exchange in stage.houses:
        watch.take(finished(exchange))
    for symbol in SYMBOLS:
        stage.venue.trade(MASTER, symbol, Decimal(1))
    wide = {it.name: status(stage, it.name, "-1234567.12345") for it in stage.players}

    drawn = lines(stage, watch, wide)

    assert max(len(line) for line in drawn) <= 80
    assert len(drawn) <= 24
    assert not [line for line in drawn if "…" in line]
    assert sum("-1234567.12345" in line for line in drawn) == len(stage.players)
    assert {line.split()[0] for line in drawn} >= {"Bybit", "Binance", "Hyperliquid", "alice", "heidi"}


def test_what_moved_last_is_shown_first_to_fit(stage: Stage) -> None:
    for symbol in SYMBOLS:
        stage.venue.trade(MASTER, symbol, Decimal(1))
    watch = Watch(moved=dict.fromkeys(("BTCUSDT", DASH)))
    wide = {it.name: status(stage, it.name, "-1234567.12345") for it in stage.players}

    narrow, broad = lines(stage, watch, wide), lines(stage, watch, wide, width=200)

    assert narrow[1].split() == ["equity", "sizing", "BTC", "DASH"]
    assert broad[1].split()[2:] == sorted(symbol.removesuffix("USDT") for symbol in SYMBOLS)


def test_what_a_venue_does_not_list_is_told_from_what_is_flat(stage: Stage) -> None:
    stage.venue.trade(MASTER, DASH, Decimal(1))
    stage.venue.trade(MASTER, PEPE, Decimal(100))

    statuses = {"frank": status(stage, "frank", "7", (PEPE, DASH))}
    drawn = {line.split()[0]: line.split() for line in lines(stage, Watch(), statuses)}

    assert drawn["equity"][2:] == ["1000PEPE", "DASH"]
    assert drawn["frank"][-2:] == ["7", "–"]
    assert drawn["alice"][1:] == ["restarts", "mirror", "1"]
    assert drawn["heidi"][-1] == "–"

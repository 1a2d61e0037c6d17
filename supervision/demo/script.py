"""The master's session: what it trades, and what goes wrong in the middle of it."""

from collections.abc import Callable, Sequence
from decimal import Decimal

import attrs

from actors.messages import CrashNow
from exchanges.sandbox.book import Slice
from supervision.demo.cast import MASTER
from supervision.demo.market import DASH, PEPE
from supervision.demo.stage import Stage

HEDGED = "ETHUSDT"
"""The symbol in which the master keeps its legs apart."""
BURST = 10


@attrs.frozen
class Act:
    """One thing that happens, and how it is announced."""

    title: str
    do: Callable[[Stage], object]


def session() -> Sequence[Act]:
    """Return the acts: open, scale in, take profit, hedge, flip, close; a cut socket and a crash between."""
    return (
        Act(
            "opens BTC long, one order in three fills",
            _fills("BTCUSDT", "60000 0.2", "60003 0.25", "60006 0.15"),
        ),
        Act("scales in, two fills", _fills("BTCUSDT", "60010 0.1", "60012 0.2")),
        Act("opens ETH long in hedge mode", _trade(HEDGED, "8", idx=1)),
        Act("opens ETH short beside it", _trade(HEDGED, "-3", idx=2)),
        Act(
            "BTC rises 1 %: takes partial profit",
            _after(_price("BTCUSDT", "60600"), _trade("BTCUSDT", "-0.4")),
        ),
        Act("opens SOL short at 20x, four fills", _after(_leverage("SOLUSDT", "20"), _sol)),
        Act("loses its socket, and trades XRP and SOL while it is away", _cut_and_trade),
        Act("opens 1000PEPE, which is kPEPE on Hyperliquid", _trade(PEPE, "500000")),
        Act("opens DASH, which this Hyperliquid does not list", _trade(DASH, "120")),
        Act("adds ten times to DOGE in a burst", _burst),
        Act("trades ETH while follower bob crashes", _after(_crash("bob"), _trade(HEDGED, "-3", idx=1))),
        Act("flips BTC from long to short in one order", _trade("BTCUSDT", "-0.8")),
        Act("adds to the SOL short", _trade("SOLUSDT", "-25")),
        Act("closes the ETH long, keeps the short", _close(HEDGED, idx=1)),
        Act("takes half of 1000PEPE off", _trade(PEPE, "-250000")),
        Act("closes XRP and SOL", _after(_close("XRPUSDT"), _close("SOLUSDT"))),
    )


def prepare(stage: Stage) -> None:
    """Put the master's hedged symbol into hedge mode, before anything is held."""
    stage.venue.switch_mode(MASTER, HEDGED, hedge=True)


def _fills(symbol: str, *rows: str) -> Callable[[Stage], object]:
    slices: list[Slice] = []
    for row in rows:
        price, quantity = row.split()
        slices.append((Decimal(price), Decimal(quantity)))

    def do(stage: Stage) -> None:
        stage.venue.trade(MASTER, symbol, Decimal(1), fills=slices)

    return do


def _trade(symbol: str, quantity: str, *, idx: int = 0) -> Callable[[Stage], object]:
    signed = Decimal(quantity)
    reduces = (idx == 1 and signed < 0) or (idx == 2 and signed > 0)

    def do(stage: Stage) -> None:
        stage.venue.trade(MASTER, symbol, signed, position_idx=idx, reduce_only=reduces)

    return do


def _close(symbol: str, *, idx: int = 0) -> Callable[[Stage], object]:
    return lambda stage: stage.venue.close_position(MASTER, symbol, idx)


def _price(symbol: str, price: str) -> Callable[[Stage], object]:
    return lambda stage: stage.venue.set_price(symbol, Decimal(price))


def _leverage(symbol: str, leverage: str) -> Callable[[Stage], object]:
    return lambda stage: stage.venue.set_leverage(MASTER, symbol, Decimal(leverage))


def _crash(name: str) -> Callable[[Stage], object]:
    return lambda stage: stage.engine.followers[name].tell(CrashNow("the demo asked for it"))


def _after(*steps: Callable[[Stage], object]) -> Callable[[Stage], object]:
    def do(stage: Stage) -> None:
        for step in steps:
            step(stage)

    return do


def _sol(stage: Stage) -> None:
    slices = [(Decimal("150"), Decimal(20)), (Decimal("149.98"), Decimal(15))] * 2
    stage.venue.trade(MASTER, "SOLUSDT", Decimal(-1), fills=slices)


def _cut_and_trade(stage: Stage) -> None:
    stage.server.drop_connections(account=MASTER, kind="private")
    stage.venue.trade(MASTER, "XRPUSDT", Decimal(5000))
    stage.venue.trade(MASTER, "SOLUSDT", Decimal(20))


def _burst(stage: Stage) -> None:
    for _ in range(BURST):
        stage.venue.trade(MASTER, "DOGEUSDT", Decimal(2000))

"""The verdict looks at the venues themselves: what is wrong there cannot pass."""

from decimal import Decimal

from exchanges.sandbox import OrderIntent
from model.leg import HEDGE_LONG, HEDGE_SHORT, Side
from supervision.demo.cast import MASTER
from supervision.demo.stage import Stage
from supervision.demo.verdict import Verdict, judge
from supervision.demo.watch import Watch


def verdict(stage: Stage, watch: Watch | None = None, *, settled: bool = True) -> Verdict:
    return judge(stage, watch or Watch(), seconds=1.0, settled=settled)


def test_nothing_done_is_nothing_wrong(stage: Stage) -> None:
    assert verdict(stage).ok


def test_a_position_without_a_target_is_told(stage: Stage) -> None:
    stage.venue.trade(MASTER, "ETHUSDT", Decimal(1))
    stage.houses["hyperliquid"].core.trade("frank", "ETH", Decimal("0.5"))

    assert verdict(stage).problems == ("frank: ETH:0 is 0.5, its target 0, a lot 0.0001",)


def test_what_the_master_has_left_is_told_on_every_venue(stage: Stage) -> None:
    lot = Decimal("0.001")
    stage.venue.trade(MASTER, "BTCUSDT", Decimal(-1))
    stage.houses["binance"].core.trade("dave", "BTCUSDT", lot)
    stage.houses["binance"].core.trade("erin", "BTCUSDT", lot, position_idx=HEDGE_LONG)
    stage.houses["hyperliquid"].core.trade("heidi", "kPEPE", Decimal(1))
    stage.venue.trade("bob", "BTCUSDT", -lot, position_idx=HEDGE_SHORT)

    found = [problem for problem in verdict(stage).problems if "the master" in problem]

    assert [problem.split(":")[0] for problem in found] == ["dave", "erin", "heidi"]


def test_an_order_that_came_twice_is_told_on_every_venue(stage: Stage) -> None:
    core = stage.houses["hyperliquid"].core
    intent = OrderIntent(
        symbol="ETH",
        side=Side.BUY,
        quantity=Decimal(1),
        position_idx=0,
        reduce_only=False,
        client_order_id="0x" + "7" * 32,
    )
    for _ in range(2):
        core.ledger.arrive("grace", intent, via="post/order", arrived_ns=None)

    told = verdict(stage)

    assert told.problems == (f"grace: order {intent.client_order_id} arrived 2 times",)
    assert told.summary["orders"]["twice"] == 1
    assert told.summary["venues"]["hyperliquid"]["orders"] == 2


def test_a_change_that_nobody_answered_is_told(stage: Stage) -> None:
    problems = verdict(stage, Watch(change_ids={"c1"}), settled=False).problems

    assert problems[0] == "the engine did not come to rest"
    assert len([it for it in problems if "have no outcome" in it]) == len(stage.players)


def test_events_that_were_missed_and_a_sandbox_that_failed_are_told(stage: Stage) -> None:
    stage.houses["binance"].server.crashes.append(ValueError("a bug"))

    assert verdict(stage, Watch(missed_events=3)).problems == (
        "the sandbox of binance failed: ValueError('a bug')",
        "3 events were missed: the figures are incomplete",
    )

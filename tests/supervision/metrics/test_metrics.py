"""The metrics of a whole engine: fed by the bus and slow questions, and never in the way of a copy."""

import itertools
import socket
from pathlib import Path
from typing import Any

import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from actors.events import AlertTold, TroubleMet
from actors.messages import CrashNow, Describe, NotifierStatus
from actors.runtime import Address
from model.alerts.alert import Alert
from model.alerts.conditions import LEDGER_AWAY
from model.alerts.message import ChannelKind, ChannelStatus
from model.settings import FollowerMode
from supervision.metrics import Census, LedgerTimes, Metrics, Tally
from supervision.service import observe
from supervision.settings.engine import ListenAddress
from tests.supervision.engine_house import House, engine_house, make_row
from tests.supervision.metrics.test_http import asked, get
from tests.supervision.test_service import copied


class Measured:
    """Makes the metrics of a house, as often as they are started."""

    def __init__(self) -> None:
        self.house: House
        self.tally = Tally(version="1", master_exchange="bybit", exchange_of=lambda name: "bybit")
        self.census = Census()
        self.times = LedgerTimes()
        self.lag_s = 0.0
        self.port = 0
        self.made: list[Metrics] = []

    def make(self) -> Metrics:
        house = self.house
        self.made.append(
            Metrics(
                listen=ListenAddress("127.0.0.1", self.port),
                engine=house.engine,
                bus=house.bus,
                tally=self.tally,
                census=self.census,
                times=self.times,
                lag_s=lambda: self.lag_s,
                observe=lambda: observe(house.desk),
            )
        )
        return self.made[-1]

    async def page(self, path: str = "/metrics") -> tuple[str, str]:
        head, _, body = (await asked(self.made[-1].server, get(path))).partition(b"\r\n\r\n")
        return head.split()[1].decode(), body.decode()

    async def values(self) -> dict[str, float]:
        status, text = await self.page()
        assert status == "200"
        return {
            ",".join((sample.name, *sample.labels.values())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


@pytest.fixture
def measured() -> Measured:
    return Measured()


async def test_a_copying_engine_is_told_in_numbers(
    tmp_path: Path, autojump_clock: trio.abc.Clock, measured: Measured
) -> None:
    rows = (make_row("alice"), make_row("bob", mode=FollowerMode.PAUSED))
    async with engine_house(tmp_path, *rows, edge=[("metrics", measured.make)]) as house:
        measured.house = house
        await house.until_ready()
        await copied(house)
        measured.times.waits.note(0.3)
        measured.times.commits.note(0.02)
        house.account("alice").move("BTCUSDT", "0.15")
        await trio.sleep(40)

        values = await measured.values()

        assert values["build_info,1"] == 1
        assert values["copy_intents_total,bybit,,applied"] == 1
        assert values["copy_latency_seconds_count,bybit,end_to_end"] == 1
        assert values["master_changes_total,open"] >= 1
        assert values["copy_unknown_orders"] == 0
        assert (values["db_up"], values["master_reconciled"], values["ws_connected,master"]) == (1, 1, 1)
        assert (values["followers,ready"], values["followers,paused"]) == (1, 1)
        assert values["copy_paused,bob"] == 1
        assert values["copy_drift_ratio,alice,BTCUSDT"] == 0.25
        assert values["copy_exposure_worst_case,alice"] == 0.15 * 50_000
        assert values["db_pool_wait_seconds_sum"] == pytest.approx(0.3)
        assert values["db_query_seconds_sum"] == pytest.approx(0.02)
        assert 0 <= values["master_state_age_seconds"] <= 15
        assert 0 <= values["ws_last_message_age_seconds,alice"] <= 60
        assert {"inbox_depth,follower", "actor_heartbeat_age_seconds,pairing"} <= values.keys()
        assert "clock_offset_seconds,bybit" in values
        assert values["rate_limit_used_ratio,rest,bybit"] == 0.25
        assert "process_resident_memory_bytes" in values
        assert values["bus_events_dropped"] == 0


async def test_a_crash_of_the_metrics_loses_no_count_and_touches_nobody(
    tmp_path: Path, autojump_clock: trio.abc.Clock, measured: Measured
) -> None:
    async with engine_house(tmp_path, make_row("alice"), edge=[("metrics", measured.make)]) as house:
        measured.house = house
        await house.until_ready()
        await copied(house)
        await trio.sleep(1)
        assert house.engine.edge is not None

        house.engine.edge.address("metrics").tell("what nobody sends")
        house.bus.publish(TroubleMet(where="here", what="told while nobody counts"))
        await house.until(lambda: len(measured.made) == 2)
        await trio.sleep(1)

        values = await measured.values()
        assert values["copy_intents_total,bybit,,applied"] == 1
        assert values["troubles_total,here"] == 1
        assert values["actor_restarts_total,metrics,crash"] == 1
        assert [e.name for e in house.seen("actor.crashed")] == ["metrics"]


async def test_scrapes_ask_no_actor_and_a_flood_of_them_makes_one_page(
    tmp_path: Path, autojump_clock: trio.abc.Clock, measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engine_house(tmp_path, make_row("alice"), edge=[("metrics", measured.make)]) as house:
        measured.house = house
        await house.until_ready()
        await trio.sleep(40)
        questions: list[object] = []
        ask = Address.ask

        async def counted(self: Address, message: object, **options: Any) -> Any:
            questions.append(message)
            return await ask(self, message, **options)

        monkeypatch.setattr(Address, "ask", counted)
        pages: list[str] = []

        async def scrape() -> None:
            pages.append((await measured.page())[1])

        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(scrape)

        assert len(set(pages)) == 1
        assert questions == []


async def test_a_round_of_questions_is_spread_out(
    tmp_path: Path, autojump_clock: trio.abc.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [make_row(f"f{number}") for number in range(20)]
    async with engine_house(tmp_path, *rows) as house:
        await house.until_ready()
        asked_at: list[float] = []
        ask = Address.ask

        async def counted(self: Address, message: object, **options: Any) -> Any:
            if isinstance(message, Describe):
                asked_at.append(trio.current_time())
            return await ask(self, message, **options)

        monkeypatch.setattr(Address, "ask", counted)
        census = Census()
        began = trio.current_time()
        await census.go_round(house.engine, period_s=15)

        assert trio.current_time() - began == pytest.approx(15, abs=0.1)
        gaps = [b - a for a, b in itertools.pairwise(asked_at[2:])]
        assert (len(asked_at), min(gaps) > 0.5) == (22, True)
        assert census.states["ready"] == 20


async def test_a_follower_that_is_gone_or_mute_keeps_no_numbers(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice"), make_row("bob")) as house:
        await house.until_ready()
        census = Census()
        await census.go_round(house.engine, period_s=1)
        await house.engine.remove_follower("bob")
        for _ in range(5):
            house.engine.address("follower:alice").tell(CrashNow("drill"))
            await trio.sleep(2)
        await census.go_round(house.engine, period_s=1)

        assert census.followers == {"alice": None}
        assert census.states["unheard"] == 1


async def test_live_and_ready_say_what_health_says(
    tmp_path: Path, autojump_clock: trio.abc.Clock, measured: Measured
) -> None:
    async with engine_house(tmp_path, make_row("alice"), edge=[("metrics", measured.make)]) as house:
        measured.house = house
        await house.until_ready()
        assert (await measured.page("/healthz"))[0] == "200"
        assert (await measured.page("/readyz")) == ("200", "ready\n")

        measured.lag_s = 6.0
        await trio.sleep(6)

        status, words = await measured.page("/healthz")
        assert (status, words) == ("503", "event loop 6.0 s late\n")


async def test_not_ready_says_why(tmp_path: Path, autojump_clock: trio.abc.Clock, measured: Measured) -> None:
    async with engine_house(tmp_path, make_row("alice"), edge=[("metrics", measured.make)]) as house:
        measured.house = house
        await house.until_ready()
        house.venue.away = True
        house.venue.of("master-key").drop_streams()
        await trio.sleep(40)

        status, words = await measured.page("/readyz")

        assert status == "503"
        assert words.startswith("degraded\n")
        assert "master: not reconciled" in words


async def test_a_port_that_is_taken_is_waited_for_and_copies_go_on(
    tmp_path: Path, autojump_clock: trio.abc.Clock, measured: Measured
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        measured.port = taken.getsockname()[1]
        async with engine_house(tmp_path, make_row("alice"), edge=[("metrics", measured.make)]) as house:
            measured.house = house
            await house.until_ready()
            await copied(house)
            await trio.sleep(100)
            assert house.engine.edge is not None
            assert len(measured.made) > 3
            assert {event.expected for event in house.seen("actor.crashed")} == {True}
            assert house.seen("supervisor.exhausted") == []

            taken.close()
            await trio.sleep(40)

            assert (await measured.values())["copy_intents_total,bybit,,applied"] == 1


async def test_alerts_and_their_channels_are_told_in_numbers(
    tmp_path: Path, autojump_clock: trio.abc.Clock, measured: Measured
) -> None:
    channel = ChannelStatus(
        name="telegram",
        kind=ChannelKind.MAIN,
        queued=3,
        delivered=7,
        dropped=1,
        failures=2,
        failing_since_ms=1,
        error="x",
        next_try_at_ms=None,
    )
    alert = Alert(alert_id="a", condition=LEDGER_AWAY, subject="", detail="", began_at_ms=1, seen_at_ms=1)
    async with engine_house(tmp_path, make_row("alice"), edge=[("metrics", measured.make)]) as house:
        measured.house = house
        await house.until_ready()
        house.bus.publish(
            AlertTold(alert_id="a", kind="ledger_away", severity="critical", title="t", detail="d")
        )
        await trio.sleep(40)
        measured.census.notifier = NotifierStatus(
            firing=(alert,), channels=(channel,), lost=0, ledger_trouble=""
        )

        values = await measured.values()

    assert (values["alerts_firing,critical"], values["alerts_firing,info"]) == (1, 0)
    assert (values["alerts_queued,telegram"], values["alerts_failing,telegram"]) == (3, 2)
    assert values["alerts_sent_total,telegram,delivered"] == 7
    assert values["alerts_sent_total,telegram,dropped"] == 1
    assert values["alerts_told_total,ledger_away,critical"] == 1

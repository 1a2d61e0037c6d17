"""The engine's process: opened, watched, stopped by signal, ended with a status (operations section 3)."""

import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import attrs
import structlog
import trio

from actors.alert_channels import Channel
from actors.bus import Bus
from actors.events import FollowerBarred
from actors.ledger import LedgerDesk, LedgerKeeper
from actors.notifier import Notifier
from actors.notifier_desk import NotifierDesk
from exchanges.clock import SystemClock
from exchanges.network import TcpNetwork
from exchanges.port import Credentials
from model.amounts import use_money_context
from model.drift import AuditRules
from model.ledger import LeaseLost, LeaseTaken, Store, check_schema
from model.ledger.lease import Lease, make_lease
from model.ledger.secrets import SealingKeys
from supervision.alerting import HeartbeatWords, build_channels, make_notifier_desk
from supervision.control import KeptAnswers
from supervision.control.socket_file import SocketTaken, listening_socket
from supervision.control_socket import ControlSocket
from supervision.engine import Engine, EngineParts
from supervision.event_log import LastWords, log_events
from supervision.exits import exit_code_of, message_of
from supervision.interpreter import spare_what_stays, tune_interpreter
from supervision.last_end import note_end, take_last_end
from supervision.ledger_setup import make_journal, open_ledger
from supervision.logs import Logs, default_instance, log_uncaught, start_logs
from supervision.loop_lag import LagProbe
from supervision.memory import give_back_large_buffers
from supervision.metrics import Census, LedgerTimes, Metrics, Tally
from supervision.roster import Roster, open_roster, require_some
from supervision.sealing import find_sealing_keys
from supervision.service import ServiceDesk, make_methods, observe
from supervision.service.desk import StopRequest
from supervision.service_manager import ServiceManager
from supervision.service_notices import READY_WITHIN_S, tell_service_manager
from supervision.settings import EngineSettings, LogLevel, resolve_master
from supervision.settings.engine import ListenAddress
from supervision.venues import build_venues
from supervision.version import product_version

DRAIN_S = 30.0
STANDBY_RETRY_S = 1.0
LAST_EVENTS_S = 0.01
ANSWER_S = 0.1
"""Whoever asked us to stop over the socket gets an answer first."""
WATCHER_RETRY_S = 1.0

log = structlog.get_logger("supervision.run")


@attrs.frozen(kw_only=True)
class Process:
    """What was read and opened before anything runs."""

    settings: EngineSettings
    env: Mapping[str, str]
    keys: SealingKeys = attrs.field(repr=False)
    master: Credentials
    store: Store
    lease: Lease
    logs: Logs
    instance: str
    channels: tuple[Channel, ...] = ()
    standby: bool = False


def run_engine(settings: EngineSettings, env: Mapping[str, str], *, standby: bool = False) -> None:
    """Run the engine until it is stopped.

    Raises: OperatorError and the ledger's errors for what an operator has to put right (`exit_code_of`
    says with which status); SupervisorExhausted and the like for what a restart may mend.
    """
    use_money_context()
    secrets = resolve_master(settings, env)
    master = Credentials(api_key=secrets.api_key.reveal(), api_secret=secrets.api_secret.reveal())
    keys = find_sealing_keys(env, settings.sealing_key_file)
    channels = build_channels(settings, env)
    store = open_ledger(settings)
    instance = default_instance()
    logs = start_logs(settings.log, instance=instance)
    log_uncaught()
    lease = make_lease(store.database, holder=instance)
    process = Process(
        settings=settings,
        env=env,
        keys=keys,
        master=master,
        store=store,
        lease=lease,
        logs=logs,
        instance=instance,
        channels=channels,
        standby=standby,
    )
    tune_interpreter()
    give_back_large_buffers()
    try:
        log.info("process.started", version=product_version(), pid=os.getpid(), ledger=store.database.where)
        trio.run(_serve, process)
        log.info("process.stopped", exit_code=0)
    except Exception as error:
        known = message_of(error)
        log.critical(
            "process.failed",
            exit_code=int(exit_code_of(error)),
            error=known or f"{type(error).__name__}: {error}",
            exc_info=known is None,
        )
        raise
    finally:
        lease.release()
        store.close()
        logs.close()


async def _serve(process: Process) -> None:
    """Wait for the lease, run the engine and what watches it; return when it has stopped."""
    stop = StopRequest()
    async with trio.open_nursery() as nursery:
        await nursery.start(_watch_signals, stop)
        failure = await _serve_until_stopped(process, stop)
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _serve_until_stopped(process: Process, stop: StopRequest) -> Exception | None:
    try:
        if await _take_lease(process, stop):
            _try_socket(process)
            await _run_engine(process, stop)
    except Exception as error:  # noqa: BLE001 - raised by the caller, outside of any group
        return error
    return None


def _try_socket(process: Process) -> None:
    """Listen for a moment: what is wrong is told now, while it can be said with the exit status.

    A standby that has the lease trades without: the engine that lost it may hang, and hold the socket
    until it ends. The control socket's actor tries again.
    """
    try:
        with listening_socket(process.settings.control_socket):
            return
    except SocketTaken as error:
        if not process.standby:
            raise
        log.warning("process.socket_taken", error=str(error))


async def _take_lease(process: Process, stop: StopRequest) -> bool:
    """Take the ledger's lease; as a standby wait for it. False: stopped meanwhile. Raises: LeaseTaken."""
    told = False
    while not stop.wanted.is_set():
        try:
            await trio.to_thread.run_sync(process.lease.acquire)
        except LeaseTaken as error:
            if not process.standby:
                raise
            if not told:
                log.info("process.standby", waits_for=str(error))
                told = True
            with trio.move_on_after(STANDBY_RETRY_S):
                await stop.wanted.wait()
        else:
            await trio.to_thread.run_sync(check_schema, process.store.database)
            return True
    return False


async def _run_engine(process: Process, stop: StopRequest) -> None:
    bus, words, probe, times = Bus(), LastWords(), LagProbe(), LedgerTimes()
    rows = await trio.to_thread.run_sync(process.store.followers)
    listen = process.settings.metrics_listen
    parts = make_parts(process, bus, times=None if listen is None else times)
    roster = require_some(open_roster(rows, process.keys, exchanges=parts.venues, master=process.master))
    for name, why in roster.barred.items():
        log.critical("follower.barred", follower=name, why=why)
        bus.publish(FollowerBarred(follower=name, why=why))
    heartbeat = HeartbeatWords()
    alerts = make_notifier_desk(
        process.settings.notify,
        bus=bus,
        ledger=parts.ledger,
        clock=parts.clock,
        channels=process.channels,
        summary=heartbeat,
        last_end=await take_last_end(parts.ledger),
    )
    parts = attrs.evolve(parts, make_notifier=partial(Notifier, desk=alerts))
    engine = Engine(parts, roster.accounts, report=bus.publish)
    desk = make_desk(process, engine, roster, words, stop, probe, alerts)
    heartbeat.observe = partial(observe, desk)
    engine.add_edge([("control", control_socket_of(desk, process.settings, bus))])
    if listen is not None:
        engine.add_edge([("metrics", metrics_of(desk, listen, bus, times))])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_beside, partial(log_events, bus, words))
        nursery.start_soon(_beside, probe.run)
        nursery.start_soon(_beside, partial(tell_service_manager, desk, ServiceManager(process.env)))
        nursery.start_soon(_beside, partial(spare_what_stays, partial(_is_ready, desk)))
        nursery.start_soon(_stop_when_asked, engine, stop)
        failure: Exception | None = None
        try:
            await engine.run()
        except Exception as error:  # noqa: BLE001 - raised below, outside of the group
            failure = error
        await trio.sleep(LAST_EVENTS_S)  # the log reads what was said while the engine stopped
        nursery.cancel_scope.cancel()
    if not isinstance(failure, LeaseLost):  # then the ledger is another engine's
        await note_end(alerts, failure)
    if failure is not None:
        raise failure


async def _is_ready(desk: ServiceDesk) -> bool:
    """Tell whether everybody is at work, or will not be for a while."""
    return (await observe(desk)).ready or trio.current_time() - desk.started_at > READY_WITHIN_S


async def _beside(work: Callable[[], Awaitable[None]]) -> None:
    """Run what only watches; its failure is logged and it begins again, trading goes on."""
    while True:
        try:
            await work()
            return
        except Exception:
            log.exception("watcher.failed")
            await trio.sleep(WATCHER_RETRY_S)


def _unheard(seconds: float) -> None:
    """Nobody wants to know."""


def make_parts(process: Process, bus: Bus, *, times: LedgerTimes | None) -> EngineParts:
    """Return the real venues, clock and ledger of this process."""
    settings, clock = process.settings, SystemClock()
    ledger = LedgerDesk(
        process.store,
        journal=make_journal(settings, process.store.database, process.env),
        publish=bus.publish,
        on_pool_wait=_unheard if times is None else times.waits.note,
        on_commit=_unheard if times is None else times.commits.note,
    )
    return EngineParts(
        venues=build_venues(settings, network=TcpNetwork(), clock=clock),
        master_exchange=settings.master.exchange,
        master_credentials=process.master,
        ledger=ledger,
        make_keeper=partial(LedgerKeeper, desk=ledger, lease=process.lease, publish=bus.publish),
        clock=clock,
        bus=bus,
        allow_trading_key=settings.master.allow_trading_key,
        max_open_age_s=settings.max_open_age_s,
        pairing_wait_s=settings.pairing_wait_s,
        audit=AuditRules(
            period_s=settings.audit.period_s,
            grace_s=settings.audit.grace_s,
            realert_points=settings.audit.realert_points,
        ),
        symbol_overrides=settings.symbol_overrides,
    )


def make_desk(
    process: Process,
    engine: Engine,
    roster: Roster,
    words: LastWords,
    stop: StopRequest,
    probe: LagProbe,
    alerts: NotifierDesk,
) -> ServiceDesk:
    """Return what operators reach of this process."""
    return ServiceDesk(
        engine=engine,
        keys=process.keys,
        find_keys=partial(find_sealing_keys, process.env, process.settings.sealing_key_file),
        words=words,
        stop=stop,
        barred=dict(roster.barred),
        instance=process.instance,
        version=product_version(),
        set_log_level=lambda level: process.logs.set_level(LogLevel(level)),
        lag_s=lambda: probe.lag_s,
        alerts=alerts,
    )


def control_socket_of(desk: ServiceDesk, settings: EngineSettings, bus: Bus) -> Callable[[], ControlSocket]:
    """Return what makes the control socket, again after each of its crashes."""
    return partial(
        ControlSocket,
        methods=partial(make_methods, desk),
        path=settings.control_socket,
        bus=bus,
        version=desk.version,
        instance=desk.instance,
        kept=KeptAnswers(),
    )


def metrics_of(
    desk: ServiceDesk, listen: ListenAddress, bus: Bus, times: LedgerTimes
) -> Callable[[], Metrics]:
    """Return what makes the metrics, again after each of its crashes; what it counted stays."""
    engine = desk.engine

    def exchange_of(follower: str) -> str:
        return engine.settings_of(follower).exchange if follower in engine.followers else ""

    master = engine.parts.master_exchange
    return partial(
        Metrics,
        listen=listen,
        engine=engine,
        bus=bus,
        tally=Tally(version=desk.version, master_exchange=master, exchange_of=exchange_of),
        census=Census(),
        times=times,
        lag_s=desk.lag_s,
        observe=partial(observe, desk),
    )


async def _watch_signals(
    stop: StopRequest, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """The first SIGTERM or SIGINT drains, a second one cancels at once."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for number in signals:
            log.info("process.signalled", signal=signal.Signals(number).name)
            stop.ask(now=stop.wanted.is_set())


async def _stop_when_asked(engine: Engine, stop: StopRequest) -> None:
    await stop.wanted.wait()
    await trio.sleep(ANSWER_S)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_cancel_when_told, engine, stop)
        if not stop.hurried.is_set():
            with trio.move_on_after(DRAIN_S):
                await engine.stop()
        engine.cancel()
        nursery.cancel_scope.cancel()


async def _cancel_when_told(engine: Engine, stop: StopRequest) -> None:
    await stop.hurried.wait()
    engine.cancel()

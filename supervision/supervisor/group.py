"""A supervisor at work: its children in cohorts, its window of failures, its quarantine."""

from __future__ import annotations

from collections.abc import Iterator

import trio

from actors.runtime import ActorEnded, ActorHung, all_are, describe_failure, first_of
from supervision import events
from supervision.supervisor.actor_node import ActorNode
from supervision.supervisor.cohort import Cohort
from supervision.supervisor.description import State, TreeNode
from supervision.supervisor.errors import SupervisorExhausted, TooManyQuarantined
from supervision.supervisor.node import Node, Tree
from supervision.supervisor.specs import ChildSpec, Exhausted, Restart, Strategy, SupervisorSpec

SETTLE_S = 10.0
QUARANTINE_RETRY_S = 60.0
PROBATION_S = 60.0


class Group(Node):
    """Runs the children of one supervisor; to its own parent it is one node among others.

    Quarantine: the children are stopped and their mailboxes shut, so that a tell raises ActorDeadError and
    nothing piles up; every 60 s the group is started on probation, with open, empty mailboxes (a follower
    then asks for every leg). One unexpected failure sends it back without another alert, 60 s of running
    ends the quarantine, and so does the operator, at once and with a whole new window.
    """

    def __init__(self, spec: SupervisorSpec, tree: Tree, parent: Group | None = None) -> None:
        super().__init__(spec.name, spec.backoff, tree)
        self.spec = spec
        self.parent = parent
        self.nodes: list[Node] = [self.make_node(child) for child in spec.children]
        self._cohorts: list[Cohort] = []
        self._nursery: trio.Nursery | None = None
        self._ending = trio.Event()
        self._failure: BaseException | None = None
        self._failed_at: tuple[float, ...] = ()
        self._quarantined_at: dict[str, float] = {}
        """Children by name, and when each last went into quarantine."""
        self._retry_from_quarantine_at: float | None = None
        self._on_probation = False
        self._is_recovered = True
        self._roused = trio.Event()
        self._revived = False

    @property
    def is_quarantined(self) -> bool:
        """Tell whether nothing runs here until the slow retry or the operator comes."""
        return self._retry_from_quarantine_at is not None

    @property
    def is_on_probation(self) -> bool:
        """Tell whether it was quarantined and has not yet shown, or been told, that it is well again."""
        return not (self._is_recovered or self.is_quarantined)

    def walk(self) -> Iterator[Node]:
        """Yield this node and every one below it."""
        yield self
        for node in self.nodes:
            yield from node.walk()

    def make_node(self, spec: ChildSpec | SupervisorSpec) -> Node:
        """Return a new place for a child; `add` puts it to work."""
        if isinstance(spec, SupervisorSpec):
            return Group(spec, self.tree, self)
        return ActorNode(spec, self.tree)

    # One life

    async def _run_once(self) -> BaseException | None:
        self._on_probation = False
        while True:
            failure = await self._run_children()
            if self.state is State.STOPPING or failure is None:
                return None
            quarantined = self.spec.on_exhausted is Exhausted.QUARANTINE
            self._tell_exhausted(failure, quarantined=quarantined)
            if not quarantined:
                return _exhausted(self.name, failure)
            if not await self._lie_in_quarantine(failure):
                return None

    async def _run_children(self) -> BaseException | None:
        self._failure, self._failed_at, self._quarantined_at = None, (), {}
        self._ending = trio.Event()
        for node in self.nodes:
            node.forget_failures()
        self._cohorts = self._make_cohorts()
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                for cohort in self._cohorts:
                    nursery.start_soon(cohort.run, name=f"{self.name} cohort")
                await self._until_up()
                if not self._ending.is_set():
                    self._is_up()
                await self._serve_probation()
                await self._ending.wait()
        finally:
            self._nursery = None
            self._cohorts = []
        return self._failure

    def _make_cohorts(self) -> list[Cohort]:
        if self.spec.strategy is Strategy.ONE_FOR_ONE:
            return [self._make_cohort([node]) for node in self.nodes]
        return [self._make_cohort(list(self.nodes))]

    def _make_cohort(self, nodes: list[Node]) -> Cohort:
        return Cohort(
            nodes,
            all_together=self.spec.strategy is Strategy.ONE_FOR_ALL,
            judge=self._judge,
            trouble=lambda: self.met_trouble(),
        )

    async def _until_up(self) -> None:
        if self.spec.strategy is not Strategy.ONE_FOR_ONE:
            await self._cohorts[0].is_up.wait()
            return
        with trio.move_on_after(SETTLE_S):
            for cohort in tuple(self._cohorts):
                await cohort.is_settled.wait()

    def _ask_to_stop(self, *, falls: bool) -> None:
        self._roused.set()
        self._stop_children(falls=falls)

    def _fail(self, failure: BaseException) -> None:
        self._failure = self._failure or failure
        # Their next lives find what they had in hand; but that of what is quarantined is a minute away.
        self._stop_children(falls=self.spec.on_exhausted is Exhausted.ESCALATE)

    def _stop_children(self, *, falls: bool) -> None:
        self._ending.set()
        for cohort in self._cohorts:
            cohort.stop(falls=falls)

    # Failures

    def _judge(self, node: Node, error: BaseException) -> bool:
        spec = node.spec if isinstance(node, ActorNode) else None
        expected = spec is not None and all_are(error, spec.expected)
        is_onlooker = spec is not None and spec.expects_anything
        node.note_crash(error, expected=expected, traced=is_onlooker or not expected)
        fatal = None if spec is None else first_of(error, spec.fatal)
        if fatal is not None:
            self._fail(error)
            self.tree.end_now(fatal)
            return False
        if spec is not None and not _is_to_restart(spec, error):
            node.shut("ended")
            return False
        return expected or not self._spend(error)

    def _spend(self, error: BaseException) -> bool:
        """Count an unexpected failure; stop everything and return True when it is one too many."""
        now = trio.current_time()
        intensity = self.spec.intensity
        hung = first_of(error, (ActorHung,))
        if isinstance(hung, ActorHung):
            self._failed_at = intensity.after_hang(self._failed_at, hung.silent_s, now)
        self._failed_at = intensity.still_counting((*self._failed_at, now), now)
        if not (self._on_probation or intensity.is_exhausted(self._failed_at, now)):
            return False
        self._fail(error)
        return True

    def _tell_exhausted(self, failure: BaseException, *, quarantined: bool) -> None:
        self.tree.report(
            events.SupervisorExhausted(
                name=self.name,
                failures=len(self._failed_at),
                period_s=self.spec.intensity.period_s,
                error=describe_failure(failure),
                quarantined=quarantined,
            )
        )

    # Quarantine

    async def _lie_in_quarantine(self, failure: BaseException) -> bool:
        """Wait for the slow retry or the operator; return False when it is asked to stop instead."""
        self._roused, self._revived = trio.Event(), False
        self._retry_from_quarantine_at = trio.current_time() + QUARANTINE_RETRY_S
        self.shut("quarantined")
        self._is_up()
        if not self._on_probation:
            self._tell_quarantined(failure)
        with trio.move_on_after(QUARANTINE_RETRY_S):
            await self._roused.wait()
        self._retry_from_quarantine_at = None
        if self.state is State.STOPPING:
            return False
        self._on_probation = not self._revived
        self.generation += 1
        self.open()
        return True

    def _tell_quarantined(self, failure: BaseException) -> None:
        self._is_recovered = False
        error = describe_failure(failure)
        self.last_crash, self._crashed_at = error, trio.current_time()
        self.tree.report(events.AccountQuarantined(name=self.name, error=error, retry_s=QUARANTINE_RETRY_S))
        if self.parent is not None:
            self.parent.note_quarantine(self.name)

    def note_quarantine(self, child: str) -> None:
        """Count a child that went into quarantine, however often; too many at once are a failure of all."""
        now = trio.current_time()
        self._quarantined_at[child] = now
        limit, members = self.spec.quarantine_limit, len(self.nodes)
        recent = limit.recent(self._quarantined_at.values(), now)
        if limit.is_exceeded(recent, members=members):
            self._fail(TooManyQuarantined(f"{self.name}: {recent} of {members} were quarantined"))

    async def _serve_probation(self) -> None:
        while not (self._is_recovered or self._ending.is_set()):
            with trio.move_on_after(PROBATION_S):
                await self._ending.wait()
            if not self._ending.is_set() and all(node.state is State.RUNNING for node in self.nodes):
                self._recover(by_operator=False)

    def _recover(self, *, by_operator: bool) -> None:
        self._on_probation = False
        self._is_recovered = True
        self.tree.report(events.AccountRecovered(name=self.name, by_operator=by_operator))

    def revive(self) -> None:
        """Put it back into service, with a whole new window, because the operator says so.

        Raises: ValueError when it is neither quarantined nor on probation.
        """
        if self._is_recovered:
            raise ValueError(f"{self.name} is not quarantined")
        self._recover(by_operator=True)
        self._failed_at = ()
        self._revived = True
        self._roused.set()

    # Children at run time

    @property
    def runs_children(self) -> bool:
        """Tell whether the children are kept running at this moment."""
        return self._nursery is not None and not self._ending.is_set()

    async def add(self, node: Node) -> None:
        """Take a child in, and start it if the others run.

        Returns when it runs or has failed once, 10 s at most.
        Raises: ValueError when the children depend on one another.
        """
        self.check_dynamic()
        self.nodes.append(node)
        if self._nursery is not None and not self._ending.is_set():
            cohort = self._make_cohort([node])
            self._cohorts.append(cohort)
            self._nursery.start_soon(cohort.run, name=f"{self.name} cohort")
            with trio.move_on_after(SETTLE_S):
                await cohort.is_settled.wait()

    async def remove(self, node: Node) -> None:
        """Stop a child within its grace and forget it."""
        self.check_dynamic()
        for cohort in [cohort for cohort in self._cohorts if node in cohort.nodes]:
            cohort.stop(falls=False)
            await cohort.is_over.wait()
            if cohort in self._cohorts:
                self._cohorts.remove(cohort)
        if node in self.nodes:
            self.nodes.remove(node)
        node.shut("removed")

    def check_dynamic(self) -> None:
        """Raise ValueError when children cannot come and go."""
        if self.spec.strategy is not Strategy.ONE_FOR_ONE:
            raise ValueError(f"children of {self.name} ({self.spec.strategy.value}) depend on one another")

    def shut(self, why: str) -> None:
        """Refuse messages to every actor below."""
        for node in self.nodes:
            node.shut(why)

    def open(self) -> None:
        """Take messages again."""
        for node in self.nodes:
            node.open()

    def describe(self) -> TreeNode:
        """Return this supervisor and its children as data."""
        due = self._retry_from_quarantine_at
        return TreeNode(
            name=self.name,
            kind="supervisor",
            strategy=self.spec.strategy.value,
            state=self.shown_state,
            restarts=self.restarts,
            generation=self.generation,
            last_crash=self.last_crash,
            last_crash_age_s=self._age(self._crashed_at),
            next_start_s=self._next_start_s() if due is None else max(0.0, due - trio.current_time()),
            children=tuple(node.describe() for node in self.nodes),
        )

    @property
    def shown_state(self) -> State:
        """Where it stands, quarantine and probation included."""
        if self.is_quarantined:
            return State.QUARANTINED
        running = self.state in (State.STARTING, State.RUNNING)
        return State.PROBATION if running and not self._is_recovered else self.state


def _is_to_restart(spec: ChildSpec, error: BaseException) -> bool:
    if spec.restart is Restart.TRANSIENT:
        return not isinstance(error, ActorEnded)
    return spec.restart is Restart.PERMANENT


def _exhausted(name: str, failure: BaseException) -> SupervisorExhausted:
    error = SupervisorExhausted(f"{name}: {describe_failure(failure)}")
    error.__cause__ = failure
    return error

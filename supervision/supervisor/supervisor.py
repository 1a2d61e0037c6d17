"""The supervisor of a whole tree: what everybody else calls (R3)."""

import random
from collections import Counter
from collections.abc import Callable

import structlog
import trio

from actors.runtime import Address
from supervision.supervisor.actor_node import ActorNode
from supervision.supervisor.description import State, TreeNode
from supervision.supervisor.errors import UnknownName
from supervision.supervisor.group import Group
from supervision.supervisor.node import Node, Tree
from supervision.supervisor.specs import ChildSpec, SupervisorSpec

BEAT_S = 5.0

log = structlog.get_logger("supervision.supervisor")


class Supervisor:
    """Starts a tree top-down, keeps it running, and stops it bottom-up. Runs once."""

    def __init__(
        self,
        spec: SupervisorSpec,
        *,
        report: Callable[[object], None] = lambda event: None,
        jitter: random.Random | None = None,
    ) -> None:
        """Build the tree; nothing runs yet, and every address is valid already.

        Args:
            report: is given every event of `supervision.events`, at once and in the trio thread.
            jitter: spreads the backoff; give a seeded one for repeatable tests.
        Raises: ValueError when two places have the same name.
        """
        self._report_to = report
        self._tree = Tree(report=self._report, jitter=jitter or random.Random(), end_now=self._end_now)
        self._root = Group(spec, self._tree)
        self._nodes: dict[str, Node] = {}
        self._parents: dict[str, Group] = {}
        self._register(self._root, None)
        self._scope = trio.CancelScope()
        self._fatal: BaseException | None = None
        self._over = trio.Event()
        self._has_run = False
        self._stop_asked = False
        self._task_status: trio.TaskStatus[None] | None = None

    # Life

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run until stopped; ``started`` is told once the root counts as started (see SupervisorSpec).

        Raises: SupervisorExhausted when the root's window is spent; a child's ``fatal`` error as it is.
        """
        if self._has_run:
            raise RuntimeError(f"the supervisor of {self._root.name} runs once")
        self._has_run = True
        self._task_status = task_status
        try:
            if not self._stop_asked:
                await self._run_root()
        finally:
            self._root.shut("stopped")
            self._over.set()
        error = self._fatal or self._root.error
        if error is not None:
            raise error
        self._tell_started()

    async def _run_root(self) -> None:
        root = self._root
        root.changed = lambda: self._tell_started() if root.state is State.RUNNING else None
        root.begin()
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch_beats)
                await root.live()
                nursery.cancel_scope.cancel()

    def _tell_started(self) -> None:
        status, self._task_status = self._task_status, None
        if status is not None:
            status.started()

    async def stop(self) -> None:
        """Stop every child, the last one first, each within its grace; return when all is over."""
        self._stop_asked = True
        if self._has_run:
            await self._root.stop()
            await self._over.wait()

    async def _watch_beats(self) -> None:
        while True:
            await trio.sleep(BEAT_S)
            for node in tuple(self._nodes.values()):
                if isinstance(node, ActorNode):
                    node.check_beat()

    def _end_now(self, error: BaseException) -> None:
        self._fatal = self._fatal or error
        self._scope.cancel()

    def _report(self, event: object) -> None:
        try:
            self._report_to(event)
        except Exception:  # whoever listens must not bring down what it listens to
            log.exception("report.failed", reported=type(event).__name__)

    # Places in the tree

    def address(self, name: str) -> Address:
        """Return an actor's address, also before it runs. Raises: UnknownName."""
        return self._actor(name).address

    def state_of(self, name: str) -> State | None:
        """Return where an actor or supervisor stands; None for a name that is not in the tree."""
        node = self._nodes.get(name)
        return None if node is None else node.shown_state

    def describe_actor(self, name: str) -> TreeNode:
        """Return one actor as data, without a walk through the tree. Raises: UnknownName."""
        return self._actor(name).describe()

    def _actor(self, name: str) -> ActorNode:
        node = self._nodes.get(name)
        if not isinstance(node, ActorNode):
            raise UnknownName(f"there is no actor {name!r} in the tree")
        return node

    def describe(self) -> TreeNode:
        """Return the whole tree as data."""
        return self._root.describe()

    async def start_child(self, supervisor: str, spec: ChildSpec | SupervisorSpec) -> None:
        """Add a child to a one_for_one supervisor and start it.

        Returns when it runs or has failed once (it goes on trying), 10 s at most.
        Raises: UnknownName; ValueError for a name that is taken or a supervisor of another strategy.
        """
        group = self._node(supervisor)
        if not isinstance(group, Group):
            raise UnknownName(f"{supervisor!r} is not a supervisor")
        group.check_dynamic()
        node = group.make_node(spec)
        self._register(node, group)
        await group.add(node)

    async def stop_child(self, name: str) -> None:
        """Stop a child of a one_for_one supervisor within its grace and remove it.

        Raises: UnknownName; ValueError when its siblings depend on it.
        """
        node = self._node(name)
        group = self._parents.get(name)
        if group is None:
            raise ValueError(f"{name} is the root: stop it as a whole")
        await group.remove(node)
        for gone in node.walk():
            self._nodes.pop(gone.name, None)
            self._parents.pop(gone.name, None)

    async def restart(self, name: str) -> None:
        """Stop an actor or supervisor and start it again, and what its strategy restarts with it.

        It spends no window, forgets earlier failures, ends a backoff and revives what is quarantined.
        Returns when the new life has started or failed. Raises: UnknownName; ValueError for the root or
        when its supervisor is not running.
        """
        node = self._node(name)
        trial = self._on_trial(node)
        if trial is not None and (trial.is_quarantined or trial is node):
            was_quarantined = trial.is_quarantined
            trial.revive()
            if was_quarantined:
                return
        group = self._parents.get(name)
        if group is None or not group.runs_children:
            raise ValueError(f"{name} cannot be restarted: nothing above it is running")
        generation = node.generation
        node.is_restart_wanted = True
        node.changed()
        await node.until_started_again(generation)

    async def revive(self, name: str) -> None:
        """Take a group, named by itself or by a child of it, out of quarantine with a whole new window.

        Raises: UnknownName; ValueError when it is not quarantined.
        """
        node = self._node(name)
        found = self._on_trial(node)
        if found is None:
            raise ValueError(f"{name} is not quarantined")
        found.revive()
        await trio.lowlevel.checkpoint()

    def _on_trial(self, node: Node) -> Group | None:
        """Return the group that the node is, or is in, and that is quarantined or on probation."""
        at: Node | None = node
        while at is not None:
            if isinstance(at, Group) and (at.is_quarantined or at.is_on_probation):
                return at
            at = self._parents.get(at.name)
        return None

    def _register(self, node: Node, parent: Group | None) -> None:
        below = list(node.walk())
        names = Counter([*self._nodes, *(found.name for found in below)])
        twice = sorted(name for name, count in names.items() if count > 1)
        if twice:
            raise ValueError(f"more than one in the tree: {', '.join(twice)}")
        if parent is not None:
            self._parents[node.name] = parent
        for found in below:
            self._nodes[found.name] = found
            if isinstance(found, Group):
                self._parents.update({child.name: found for child in found.nodes})

    def _node(self, name: str) -> Node:
        node = self._nodes.get(name)
        if node is None:
            raise UnknownName(f"there is no {name!r} in the tree")
        return node

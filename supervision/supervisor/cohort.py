"""Nodes that start in order and are restarted together: the working part of every strategy.

A rest_for_one or one_for_all supervisor is one cohort of all its children; a one_for_one supervisor
is a cohort of one for each child, so that no child ever waits for another.
"""

import math
from collections.abc import Callable

import trio

from supervision.events import ActorRestarting
from supervision.supervisor.description import State
from supervision.supervisor.node import Node

Judge = Callable[[Node, BaseException], bool]
"""Counts a failure; tells whether the node is to be restarted."""


class Cohort:
    """Keeps its nodes running, in order, until it is stopped."""

    def __init__(
        self, nodes: list[Node], *, all_together: bool, judge: Judge, trouble: Callable[[], None]
    ) -> None:
        """Watch ``nodes``; ``trouble`` is called whenever one of them fails."""
        self.nodes = nodes
        self.is_up = trio.Event()
        """Every node has been running."""
        self.is_settled = trio.Event()
        """Up, or at least one failure has been met: nobody needs to wait for it any longer."""
        self.is_over = trio.Event()
        self._all_together = all_together
        self._judge = judge
        self._trouble = trouble
        self._stopping = False
        self._falls = False
        self._change = trio.Event()
        for node in nodes:
            node.changed = self.look
            node.met_trouble = self.met_trouble

    def look(self) -> None:
        """Look at the nodes again: one of them, or what is wanted of it, has changed."""
        self._change.set()

    def stop(self, *, falls: bool) -> None:
        """Stop every node, the last one first; ``falls``: as in `Node.stop`."""
        self._stopping, self._falls = True, falls
        self.look()

    def met_trouble(self) -> None:
        """Something below failed: whoever waits for the start need not wait longer."""
        self.is_settled.set()
        self._trouble()

    async def run(self) -> None:
        """Run until stopped."""
        try:
            async with trio.open_nursery() as nursery:
                while not self._stopping:
                    self._change = trio.Event()
                    if not await self._step(nursery):
                        with trio.move_on_at(self._next_retry_at()):
                            await self._change.wait()
                await self._stop_all(self.nodes, falls=self._falls)
        finally:
            self.is_settled.set()
            self.is_up.set()
            self.is_over.set()

    async def _step(self, nursery: trio.Nursery) -> bool:
        """Do the next thing that is to be done; tell whether there was one."""
        for node in self.nodes:
            if node.state is State.DOWN:
                await self._answer_failure(node)
                return True
            if node.is_restart_wanted:
                await self._restart(node)
                return True
            if node.state is State.BACKOFF and self._is_due(node):
                node.wait_for_start()  # also when one before it is not up: its own delay is over
        for node in self.nodes:
            if node.state is State.WAITING:
                node.begin()
                nursery.start_soon(node.live, name=node.name)
                return True
            if node.state not in (State.RUNNING, State.ENDED):
                return False
        self.is_up.set()
        self.is_settled.set()
        return False

    async def _answer_failure(self, node: Node) -> None:
        self.met_trouble()
        if not self._count(node):
            return
        delay_s = node.back_off()
        node.tree.report(ActorRestarting(name=node.name, failures=node.failures, delay_s=delay_s))
        await self._clear(node)

    def _count(self, node: Node) -> bool:
        """Have a failure judged, once; tell whether the node is to be restarted."""
        error, node.error = node.error, None
        comes_back = error is not None and self._judge(node, error)
        node.state = State.STOPPED if comes_back else State.ENDED
        return comes_back

    async def _restart(self, node: Node) -> None:
        await node.stop()
        node.forget_failures()
        await self._clear(node)

    async def _clear(self, node: Node) -> None:
        """Stop those that fall with ``node``, so that they are started after it."""
        place = self.nodes.index(node)
        beside = [other for other in self.nodes[0 if self._all_together else place :] if other is not node]
        self._count_all(beside)
        others = [other for other in beside if other.starts_with_others]
        await self._stop_all(others, falls=True)
        for other in others:
            other.wait_for_start()

    def _count_all(self, nodes: list[Node]) -> None:
        for node in nodes:
            if node.state is State.DOWN:
                self._count(node)  # it failed at the same moment: that is told and counted as well

    async def _stop_all(self, nodes: list[Node], *, falls: bool) -> None:
        self._count_all(nodes)
        for node in reversed(nodes):
            await node.stop(falls=falls)

    def _is_due(self, node: Node) -> bool:
        return node.retry_at is None or trio.current_time() >= node.retry_at

    def _next_retry_at(self) -> float:
        waiting = (node.retry_at for node in self.nodes if node.state is State.BACKOFF)
        return min((at for at in waiting if at is not None), default=math.inf)

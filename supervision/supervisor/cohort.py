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
        self._change = trio.Event()
        for node in nodes:
            node.changed = self.look
            node.met_trouble = self.met_trouble

    def look(self) -> None:
        """Look at the nodes again: one of them, or what is wanted of it, has changed."""
        self._change.set()

    def stop(self) -> None:
        """Stop every node, the last one first."""
        self._stopping = True
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
                await self._stop_all(self.nodes)
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
        for node in self.nodes:
            if node.state is State.BACKOFF and self._is_due(node):
                node.wait_for_start()
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
        error, node.error = node.error, None
        if error is None or not self._judge(node, error):
            node.state = State.ENDED
            return
        delay_s = node.back_off()
        node.tree.report(ActorRestarting(name=node.name, failures=node.failures, delay_s=delay_s))
        await self._clear(node)

    async def _restart(self, node: Node) -> None:
        await node.stop()
        node.forget_failures()
        await self._clear(node)

    async def _clear(self, node: Node) -> None:
        """Stop those that fall with ``node``, so that they are started after it."""
        place = self.nodes.index(node)
        beside = self.nodes if self._all_together else self.nodes[place:]
        others = [other for other in beside if other is not node and other.starts_with_others]
        await self._stop_all(others)
        for other in others:
            other.wait_for_start()

    async def _stop_all(self, nodes: list[Node]) -> None:
        for node in reversed(nodes):
            await node.stop()

    def _is_due(self, node: Node) -> bool:
        return node.retry_at is None or trio.current_time() >= node.retry_at

    def _next_retry_at(self) -> float:
        waiting = (node.retry_at for node in self.nodes if node.state is State.BACKOFF)
        return min((at for at in waiting if at is not None), default=math.inf)

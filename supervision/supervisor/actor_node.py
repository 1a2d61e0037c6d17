"""An actor's place in the tree: its mailbox and address stay, its incarnations come and go (R2)."""

import trio

import actors.runtime as runtime
from actors.runtime import ActorEnded, Address, Life, Mailbox, Phase
from supervision.events import ActorHung, ActorStarted, ActorStopped
from supervision.supervisor.description import State, TreeNode
from supervision.supervisor.node import Node, Tree
from supervision.supervisor.specs import ChildSpec, Restart

MISSES_MAX = 3


class ActorNode(Node):
    """Makes and runs one incarnation after another of one actor."""

    def __init__(self, spec: ChildSpec, tree: Tree) -> None:
        super().__init__(spec.name, spec.backoff, tree)
        self.spec = spec
        self.mailbox = Mailbox(spec.name)
        self.address = Address(self.mailbox)
        self._life: Life | None = None
        self._beats = -1
        self._misses = 0

    def begin(self) -> None:
        """Start a life; the mailbox is open again if the last one had ended for good."""
        self.mailbox.open()
        super().begin()

    async def _run_once(self) -> BaseException | None:
        error = await self._run_life()
        if self.state is not State.STOPPING:
            return error or ActorEnded(f"{self.name} ended by itself")
        if error is not None:
            expected = runtime.all_are(error, self.spec.expected)
            self.note_crash(error, expected=expected, traced=self.spec.expects_anything or not expected)
        return None

    async def _run_life(self) -> BaseException | None:
        spec = self.spec
        try:
            life = Life(spec.make(), self.mailbox, generation=self.generation, grace_s=spec.shutdown_s)
        except Exception as error:  # noqa: BLE001 - a constructor that fails is a failed start
            return error
        self._life, self._beats, self._misses = life, -1, 0
        try:
            await life.run(self._started)
        except (trio.Cancelled, KeyboardInterrupt):
            raise
        except BaseException as error:  # whatever an actor raises ends that actor alone
            if runtime.first_of(error, (KeyboardInterrupt,)) is not None:
                raise
            return error
        finally:
            self._life = None
        cut_short = life.was_cut_short
        self.tree.report(ActorStopped(name=self.name, generation=self.generation, cut_short=cut_short))
        return None

    def _started(self) -> None:
        self.tree.report(ActorStarted(name=self.name, generation=self.generation))
        self._is_up()

    def _ask_to_stop(self, *, falls: bool) -> None:
        if self._life is not None:
            self._life.stop(self.spec.fall_s if falls else None)

    @property
    def starts_with_others(self) -> bool:
        """Tell whether it is started again when one before it is: a temporary one that ended is not."""
        return not (self.state is State.ENDED and self.spec.restart is Restart.TEMPORARY)

    def check_beat(self) -> None:
        """Cancel an actor whose own loop has not turned for three of these calls, one every 5 s."""
        life = self._life
        if life is None or life.phase is Phase.ENDING:
            return
        if life.phase is Phase.STARTING:
            if life.beat_age_s > self.spec.start_s:
                self._give_up(life)
        elif life.mailbox.is_idle or life.beats != self._beats:
            self._beats, self._misses = life.beats, 0
        else:
            self._misses += 1
            if self._misses >= MISSES_MAX:
                self._give_up(life)

    def _give_up(self, life: Life) -> None:
        silent_s = life.beat_age_s
        self.tree.report(ActorHung(name=self.name, generation=self.generation, silent_s=silent_s))
        life.give_up(runtime.ActorHung(self.name, silent_s))

    def shut(self, why: str) -> None:
        """Refuse messages, drop those that wait."""
        self.mailbox.shut(why)

    def open(self) -> None:
        """Take messages again."""
        self.mailbox.open()

    def describe(self) -> TreeNode:
        """Return this actor as data."""
        life = self._life
        return TreeNode(
            name=self.name,
            kind="actor",
            state=self.state,
            restarts=self.restarts,
            generation=self.generation,
            last_crash=self.last_crash,
            last_crash_age_s=self._age(self._crashed_at),
            next_start_s=self._next_start_s(),
            heartbeat_age_s=None if life is None else life.beat_age_s,
            mailbox_depth=self.mailbox.depth,
            mailbox_refused=self.mailbox.refused,
        )

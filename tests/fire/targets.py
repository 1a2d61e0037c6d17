"""Every actor that reads a WebSocket, how it can be brought down, and who falls with it."""

import attrs

from actors.events import FollowerStateChanged, MasterStreamChanged
from tests.world import MASTER, Cast

MASTER_STREAM = "master_stream"


@attrs.frozen(kw_only=True)
class Target:
    """One actor that reads a WebSocket."""

    actor: str
    kind: str
    account: str | None
    """Whose socket it is at the venue; None for a public one."""
    exchange: str
    socket: str
    """What the venue calls such a socket."""
    falls: tuple[str, ...]
    """Who is restarted when it crashes: it, and who depends on it."""

    @property
    def survives_a_reset(self) -> bool:
        """Tell whether a lost socket is no crash of it: it connects again by itself."""
        return self.actor != MASTER_STREAM

    @property
    def follower(self) -> str | None:
        """The follower whose copies may be late meanwhile."""
        return self.account if self.actor.startswith("stream:") else None

    def says_live(self, event: object) -> bool:
        """Tell whether an event means that its stream has come up; marks say nothing."""
        match event:
            case MasterStreamChanged(live=True, detail=""):
                return self.actor == MASTER_STREAM
            case FollowerStateChanged(follower=name, state="stream_live"):
                return name == self.follower
        return False


def targets_of(cast: tuple[Cast, ...]) -> list[Target]:
    """Return the master's stream, every follower's, and the marks of every venue."""
    found = [
        Target(
            actor=MASTER_STREAM,
            kind="the master's stream",
            account=MASTER,
            exchange="bybit",
            socket="private",
            falls=(MASTER_STREAM,),
        )
    ]
    for it in cast:
        found.append(
            Target(
                actor=f"stream:{it.name}",
                kind=f"a follower's stream on {it.venue}",
                account=it.name,
                exchange=it.venue,
                socket="private",
                falls=(f"stream:{it.name}", f"follower:{it.name}"),
            )
        )
    for venue in dict.fromkeys(it.venue for it in cast):
        found.append(
            Target(
                actor=f"marks:{venue}",
                kind=f"the marks of {venue}",
                account=None,
                exchange=venue,
                socket="public",
                falls=(f"marks:{venue}",),
            )
        )
    return found

"""The closed list of what an operator is alerted to (R16), and when each begins, repeats and ends.

A condition's ``what`` may name its ``{subject}``: a follower, an account, an actor, a reason.
"""

from collections.abc import Mapping
from typing import Any

import attrs

from model.severity import Severity


@attrs.frozen(kw_only=True)
class Condition:
    """Something that is told to people."""

    name: str
    severity: Severity
    """Info is told with the daily heartbeat only; critical at once, and by SMS if nobody acknowledges it."""
    what: str
    meaning: str
    action: str
    hold_s: float = 0.0
    """It must have held this long, throughout, before it is told."""
    quiet_s: float | None = None
    """Of what has no end that is said: it is over when nobody saw it for so long, and that is not told."""
    calm_s: float = 60.0
    """Of what has one: the end is believed, and told, after so long without a relapse."""

    repeats: bool = True
    """False where whoever sees it says when it has to be told again."""

    @property
    def tells_its_end(self) -> bool:
        """Tell whether a message says that it is over."""
        return self.quiet_s is None


MINUTE_S = 60.0
HOUR_S = 3_600.0


def _critical(name: str, what: str, meaning: str, action: str, **times: Any) -> Condition:
    return Condition(
        name=name, severity=Severity.CRITICAL, what=what, meaning=meaning, action=action, **times
    )


def _warning(name: str, what: str, meaning: str, action: str, **times: Any) -> Condition:
    return Condition(name=name, severity=Severity.WARNING, what=what, meaning=meaning, action=action, **times)


def _info(name: str, what: str, meaning: str, action: str, **times: Any) -> Condition:
    return Condition(name=name, severity=Severity.INFO, what=what, meaning=meaning, action=action, **times)


MASTER_STREAM_LOST = _critical(
    "master_stream_lost",
    "the master's stream is lost",
    "Nothing is copied while it is away; positions are caught up when it is back.",
    "See `copytrader status`; check the network, the venue's status page and the master key.",
    hold_s=30.0,
    calm_s=30.0,
)
MASTER_UNREADABLE = _warning(
    "master_unreadable",
    "the master's account cannot be read",
    "The stream is live, but what it may have missed cannot be checked.",
    "See `copytrader status`; check the venue's status page.",
    hold_s=MINUTE_S,
)
ENGINE_RESTARTED = _critical(
    "engine_restarted",
    "the engine was started again after it had not ended well",
    "While it was down nothing was copied; it catches up now.",
    "See the log of the end before; `copytrader status` and `copytrader positions` for how it is now.",
    quiet_s=10 * MINUTE_S,
)
ENGINE_EXHAUSTED = _critical(
    "engine_exhausted",
    "{subject} failed too often",
    "What it supervises was stopped and is started again; at the root the whole process is.",
    "See `copytrader tree` and the log for the crash behind it.",
    quiet_s=10 * MINUTE_S,
)
CONTROL_EXHAUSTED = _warning(
    "control_exhausted",
    "what speaks to operators failed too often",
    "The control socket is away for a minute; trading goes on.",
    "See the log for the crash behind it.",
    quiet_s=10 * MINUTE_S,
)
LEDGER_AWAY = _critical(
    "ledger_away",
    "the ledger cannot be reached",
    "Nothing is opened; reductions go on and are kept on local disk.",
    "Check the database and the disk; the engine goes on by itself when it is back.",
    hold_s=15.0,
    calm_s=30.0,
)
FOLLOWER_QUARANTINED = _critical(
    "follower_quarantined",
    "{subject} is quarantined",
    "It crashed or hung too often. Nothing is copied for it but for a slow retry; nobody else is touched.",
    "See `copytrader tree` for the crash; `copytrader restart NAME` revives it.",
)
FOLLOWER_BARRED = _critical(
    "follower_barred",
    "{subject} is not started",
    "Its keys cannot be used, so nothing is copied for it.",
    "Put its keys right and run `copytrader followers apply FILE`.",
)
FOLLOWER_STREAM_LOST = _warning(
    "follower_stream_lost",
    "{subject} has lost its private stream",
    "Its openings wait for a fresh view; reductions go on.",
    "See `copytrader status`; check its key and the venue's status page.",
    hold_s=MINUTE_S,
)
FOLLOWER_UNREADABLE = _warning(
    "follower_unreadable",
    "{subject}: its account cannot be read",
    "It opens nothing until its account can be read again.",
    "See `copytrader status`; check its key and the venue's status page.",
    hold_s=MINUTE_S,
)
FOLLOWER_HELD_BACK = _info(
    "follower_held_back",
    "{subject} is held back by the operator",
    "Paused sends nothing for it, close-only opens nothing for it.",
    "`copytrader followers resume NAME` ends it.",
    calm_s=0.0,
)
COPY_FAILED = _warning(
    "copy_failed",
    "{subject}: a copy failed",
    "The follower may not be where it should be.",
    "See `copytrader copies --follower NAME`, then `copytrader explain COPY`.",
    quiet_s=30 * MINUTE_S,
)
OPENING_MISSED = _warning(
    "opening_missed",
    "{subject}: a missed opening was not caught up",
    "The price has moved away from the master's, so the follower stays out of this position.",
    "See `copytrader positions`; nothing has to be done if that is right.",
    quiet_s=30 * MINUTE_S,
)
COPY_HELD = _warning(
    "copy_held",
    "{subject}: an opening was not copied",
    "Something keeps this follower from opening; reductions go on.",
    "See `copytrader copies --follower NAME`, then `copytrader explain COPY`.",
    quiet_s=HOUR_S,
)
COPY_PASSED_OVER = _info(
    "copy_passed_over",
    "{subject}: a change was not copied",
    "The venue's rules or the follower's own limits leave no order to send.",
    "See `copytrader explain COPY` if that is not wanted.",
    quiet_s=24 * HOUR_S,
)
ORDER_UNKNOWN = _critical(
    "order_unknown",
    "{subject} has had no outcome for a minute",
    "The venue has not said whether it was filled: no opening on that leg until it does.",
    "Look at the account on the venue; `copytrader copies` shows the copy. It is asked again by itself.",
    hold_s=MINUTE_S,
    calm_s=0.0,
)
FOREIGN_POSITION = _warning(
    "foreign_position",
    "{subject}: a position that the engine did not open",
    "It is left alone, and nothing is opened beside it.",
    "Close it, or keep it by hand.",
    quiet_s=24 * HOUR_S,
)
HAND_SEEN = _warning(
    "hand_seen",
    "{subject}: somebody else traded beside a copy",
    "What they did counts as the engine's until the leg is flat.",
    "Look at the account; let one of the two trade there.",
    quiet_s=24 * HOUR_S,
)
LIMIT_BREACHED = _critical(
    "limit_breached",
    "{subject} lost more than it may",
    "It only closes from now on, until an operator resumes it.",
    "See `copytrader status`; `copytrader followers resume NAME` lets it open again.",
    calm_s=0.0,
)
KEY_REFUSED = _critical(
    "key_refused",
    "the key of {subject} is refused",
    "It may do too much or too little, so nothing is opened with it.",
    "Make a key that may trade but neither withdraw nor transfer (the master's: read only) and apply it.",
    calm_s=0.0,
)
KEY_WARNING = _warning(
    "key_warning",
    "the key of {subject} should be changed",
    "It may be used, but something about it is not as it should be.",
    "See `copytrader followers check NAME`, or `copytrader status` for the master.",
    calm_s=0.0,
    repeats=False,
)
FLATTEN_STUCK = _warning(
    "flatten_stuck",
    "{subject} cannot be flattened yet",
    "Something is in the way of closing all that is held; it is tried on.",
    "See `copytrader positions` and the venue's status page.",
    hold_s=MINUTE_S,
    calm_s=0.0,
)
FOLLOWER_LEFT = _warning(
    "follower_left",
    "{subject} was removed, perhaps with positions",
    "Nobody looks after what it holds any more.",
    "Close it on the venue, or add the follower again.",
    quiet_s=24 * HOUR_S,
)
DRIFT = _warning(
    "drift",
    "{subject} is not where it should be",
    "The follower and the master differ, for longer than the grace period.",
    "See `copytrader audit`; the follower's repair policy says what mends it by itself.",
    calm_s=0.0,
    repeats=False,
)
DRIFT_CRITICAL = _critical(
    "drift_critical",
    "{subject} holds what the master does not",
    "It is on the wrong side, or in what the master has left: it can lose what nobody wants to risk.",
    "See `copytrader audit`; close it on the venue if it is not mended at once.",
    calm_s=0.0,
    repeats=False,
)
FRAME_UNREADABLE = _warning(
    "frame_unreadable",
    "{subject}: a message of the venue could not be read",
    "The account is read anew; the message itself is in the log.",
    "If it goes on, the venue has changed its protocol: look for a newer version.",
    quiet_s=HOUR_S,
)
TROUBLE = _warning(
    "trouble",
    "{subject}: trouble that lasts",
    "It is retried by itself.",
    "See the log and `copytrader status`.",
    quiet_s=30 * MINUTE_S,
)
ACTOR_CRASHED = _warning(
    "actor_crashed",
    "{subject} crashed",
    "It is started again and rebuilds its state; a crash is a bug.",
    "See the log for its traceback and report it.",
    quiet_s=10 * MINUTE_S,
)
ACTOR_HUNG = _warning(
    "actor_hung",
    "{subject} hung",
    "It did not beat for 15 s and was restarted.",
    "See the log; if it goes on, report it.",
    quiet_s=10 * MINUTE_S,
)
CHANNEL_DOWN = _critical(
    "channel_down",
    "alerts do not get through by {subject}",
    "They wait in the queue; critical ones go by SMS where that is set up.",
    "Check its token and address in [notify], then run `copytrader alerts test`.",
    hold_s=5 * MINUTE_S,
    calm_s=0.0,
)
EVENTS_MISSED = _warning(
    "events_missed",
    "events were missed by the alerts",
    "So much happened at once that some was not looked at for alerts.",
    "See the log, which has them, and `copytrader status`.",
    quiet_s=HOUR_S,
)
ALERTS_LOST = _warning(
    "alerts_lost",
    "alerts were lost",
    "There were more than are kept in memory while the ledger or a channel was away.",
    "See the log, which has what happened, and `copytrader status`.",
    quiet_s=HOUR_S,
)

CONDITIONS: Mapping[str, Condition] = {
    condition.name: condition
    for condition in (
        *(MASTER_STREAM_LOST, MASTER_UNREADABLE, ENGINE_RESTARTED, ENGINE_EXHAUSTED, CONTROL_EXHAUSTED),
        *(LEDGER_AWAY, FOLLOWER_QUARANTINED, FOLLOWER_BARRED, FOLLOWER_STREAM_LOST, FOLLOWER_UNREADABLE),
        *(FOLLOWER_HELD_BACK, COPY_FAILED, OPENING_MISSED, COPY_HELD, COPY_PASSED_OVER, ORDER_UNKNOWN),
        *(FOREIGN_POSITION, FRAME_UNREADABLE, TROUBLE, ACTOR_CRASHED, ACTOR_HUNG, CHANNEL_DOWN),
        *(EVENTS_MISSED, ALERTS_LOST, HAND_SEEN, LIMIT_BREACHED, FLATTEN_STUCK, FOLLOWER_LEFT),
        *(DRIFT, DRIFT_CRITICAL, KEY_REFUSED, KEY_WARNING),
    )
}
"""By name, as the ledger keeps them."""

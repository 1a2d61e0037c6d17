"""One check of one key: what its venue says, judged; and what a refusal to answer means (section 4)."""

import re

import attrs

from exchanges.errors import ExchangeError, MalformedMessage, RequestRejected
from exchanges.port import AccountGateway
from model.key_check import Finding, KeyReport, Role, Severity, judge_key

WORDS_MAX = 160
_TOKEN = re.compile(r"[A-Za-z0-9+/=_.:%&?-]{16,}")
"""Longer than a word: keys have 18 characters and more."""


@attrs.frozen(kw_only=True)
class KeyVerdict:
    """What was found about a key; ``report`` is None where the venue did not take it, or spoke nonsense."""

    report: KeyReport | None
    findings: tuple[Finding, ...]


async def ask_verdict(
    gateway: AccountGateway,
    role: Role,
    *,
    now_ms: int,
    allow_trading_key: bool = False,
    clock_offset_ms: int | None = None,
    dry_run: bool = False,
) -> KeyVerdict:
    """Ask a venue about a key and judge the answer; see `judge_key` for the arguments.

    An answer that cannot be read is a refusal, and so is a key that the venue does not take. Raises:
    RequestNotSent, OutcomeUnknown, StreamLost: nothing is known of the key then, ask again later.
    """
    try:
        report = await gateway.check_key()
    except RequestRejected as error:
        return _refused(
            "not_taken",
            f"the venue does not take the key: {in_words(error)}",
            "see that it exists, is bound to this host's address and is of this network; or apply another",
        )
    except MalformedMessage as error:
        return _refused(
            "unreadable",
            f"what the venue says of the key cannot be read: {in_words(error)}",
            "make a new key that may only trade; if that is refused too, report it",
        )
    findings = judge_key(
        report,
        role,
        now_ms=now_ms,
        allow_trading_key=allow_trading_key,
        clock_offset_ms=clock_offset_ms,
        dry_run=dry_run,
    )
    return KeyVerdict(report=report, findings=findings)


def in_words(error: ExchangeError) -> str:
    """Return what an error says, short, and without what looks like a key, a signature or an address.

    A verdict is kept and shown, and venues repeat in their answers what they were sent.
    """
    return _TOKEN.sub("***", str(error))[:WORDS_MAX]


def _refused(code: str, what: str, cure: str) -> KeyVerdict:
    finding = Finding(severity=Severity.REFUSE, code=code, what=what, cure=cure)
    return KeyVerdict(report=None, findings=(finding,))

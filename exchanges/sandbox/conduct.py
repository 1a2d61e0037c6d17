"""How a request fares besides its content: the faults that strike it, before and after it is done."""

import re
from enum import Enum, auto

import attrs

from exchanges.sandbox.faults import Fault, FaultKind, Faults
from exchanges.sandbox.http import HttpResponse, Then


class Fate(Enum):
    """What the sender gets instead of the answer."""

    ANSWERED = auto()
    LOST = auto()
    """Nothing at all."""
    RESET = auto()
    """A reset connection."""
    ERROR = auto()
    """An error, though it was done."""


@attrs.frozen(kw_only=True)
class Conduct:
    """The faults of one kind of endpoint for one account."""

    faults: Faults
    account: str
    endpoint: str

    def request_delay_s(self) -> float:
        """Return how long the request is under way."""
        return self._delay_s(FaultKind.DELAY_REQUEST)

    def engine_delay_s(self) -> float:
        """Return how long the request waits between being let in and being carried out."""
        return self._delay_s(FaultKind.DELAY_ENGINE)

    def answer_delay_s(self) -> float:
        """Return how long the answer is under way."""
        return self._delay_s(FaultKind.DELAY_ANSWER)

    def refusal(self) -> Fault | None:
        """Return the fault that keeps the request from being looked at."""
        return next(filter(None, map(self._strike, _BEFORE)), None)

    def fate(self) -> tuple[Fate, int]:
        """Return what becomes of the answer to something that was done, and the error's HTTP status."""
        if self._strike(FaultKind.LOSE_ANSWER):
            return Fate.LOST, 0
        if self._strike(FaultKind.RESET_AFTER):
            return Fate.RESET, 0
        error = self._strike(FaultKind.ERROR_AFTER)
        return (Fate.ERROR, error.status) if error else (Fate.ANSWERED, 200)

    def spoiler(self) -> Fault | None:
        """Return the fault that spoils the answer to something that was done; see ``spoilt``."""
        return next(filter(None, map(self._strike, _SPOILERS)), None)

    def _strike(self, kind: FaultKind) -> Fault | None:
        return self.faults.strike(kind, account=self.account, endpoint=self.endpoint)

    def _delay_s(self, kind: FaultKind) -> float:
        return self.faults.delay_s(kind, account=self.account, endpoint=self.endpoint)


_BEFORE = (
    FaultKind.RESET_BEFORE,
    FaultKind.LOSE_REQUEST,
    FaultKind.MAINTENANCE,
    FaultKind.RATE_LIMIT,
    FaultKind.ERROR_BEFORE,
)
_SPOILERS = (FaultKind.MALFORM_ANSWER, FaultKind.CROSS_ANSWER)
_FATES = {FaultKind.RESET_BEFORE: Fate.RESET, FaultKind.LOSE_REQUEST: Fate.LOST}


def fate_of(refusal: Fault) -> Fate:
    """Return what the sender of a request gets that was not looked at: ANSWERED is a refusal."""
    return _FATES.get(refusal.kind, Fate.ANSWERED)


def spoilt(text: str, fault: Fault | None) -> str:
    """Return what comes instead of an answer's text."""
    if fault is None:
        return text
    if fault.kind is FaultKind.MALFORM_ANSWER:
        return fault.message or text[: len(text) // 2]
    return re.sub(rf'("{fault.field}"\s*:\s*"?)(\w+)', lambda found: found[1] + _another(found[2]), text)


def _another(name: str) -> str:
    """Return a name of the same kind that is not this one."""
    return name[:-1] + ("1" if name[-1] != "1" else "2")


def fated(response: HttpResponse, fate: Fate, status: int) -> HttpResponse:
    """Return what the sender gets instead of the answer."""
    match fate:
        case Fate.LOST:
            return HttpResponse(then=Then.SILENCE, account=response.account)
        case Fate.RESET:
            return HttpResponse(then=Then.RESET, account=response.account)
        case Fate.ERROR:
            return HttpResponse(status=status, account=response.account)
        case _:
            return response

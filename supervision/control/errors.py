"""What a control call can be answered with instead of a result (operations: JSON-RPC codes)."""

from typing import ClassVar

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
UNAUTHORISED = -32001
CONFLICT = -32002
NOT_FOUND = -32003
RATE_LIMITED = -32004
PROTOCOL = -32005
CONFIRMATION_REQUIRED = -32006
NOT_READY = -32007


class ControlError(Exception):
    """A call that is refused. Handlers raise its kinds; the caller sees message, code and hint.

    None of them may hold a secret or repeat what a call carried.
    """

    number: ClassVar[int] = INTERNAL_ERROR
    code: ClassVar[str] = "internal_error"

    def __init__(self, message: str, *, hint: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.retry_after_s = retry_after_s

    def to_json(self) -> dict[str, object]:
        """Return the `error` member of an answer."""
        data: dict[str, object] = {"code": self.code, "hint": self.hint}
        if self.retry_after_s is not None:
            data["retry_after"] = round(self.retry_after_s, 3)
        return {"code": self.number, "message": self.message, "data": data}


class Unparsable(ControlError):
    """The line is no JSON that is taken here."""

    number, code = PARSE_ERROR, "parse_error"


class InvalidRequest(ControlError):
    """JSON, but no call."""

    number, code = INVALID_REQUEST, "invalid_request"


class UnknownMethod(ControlError):
    """There is no such method."""

    number, code = METHOD_NOT_FOUND, "method_not_found"


class InvalidParams(ControlError):
    """A parameter is missing, unknown or of another kind."""

    number, code = INVALID_PARAMS, "invalid_params"


class InternalError(ControlError):
    """The engine failed at it; the log says how."""


class Unauthorised(ControlError):
    """Only the engine's own user and root may call."""

    number, code = UNAUTHORISED, "unauthorised"


class Conflict(ControlError):
    """Does not go together with what is or was asked for."""

    number, code = CONFLICT, "conflict"


class NotFound(ControlError):
    """There is nothing of that name."""

    number, code = NOT_FOUND, "not_found"


class RateLimited(ControlError):
    """Too many calls or callers."""

    number, code = RATE_LIMITED, "rate_limited"


class ConfirmationRequired(ControlError):
    """A destructive call without the token of its preview."""

    number, code = CONFIRMATION_REQUIRED, "confirmation_required"


class NotReady(ControlError):
    """The engine cannot do it yet."""

    number, code = NOT_READY, "not_ready"

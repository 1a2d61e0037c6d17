"""The control socket's server side."""

from supervision.control.errors import (
    ConfirmationRequired,
    Conflict,
    ControlError,
    InternalError,
    InvalidParams,
    NotFound,
    NotReady,
)
from supervision.control.limits import Limits
from supervision.control.methods import CALLER, Caller, Method, NoParams
from supervision.control.repeats import KeptAnswers
from supervision.control.server import PRODUCT, PROTOCOL, ControlServer
from supervision.control.socket_file import SocketTaken, SocketUnusable

__all__ = [
    "CALLER",
    "PRODUCT",
    "PROTOCOL",
    "Caller",
    "ConfirmationRequired",
    "Conflict",
    "ControlError",
    "ControlServer",
    "InternalError",
    "InvalidParams",
    "KeptAnswers",
    "Limits",
    "Method",
    "NoParams",
    "NotFound",
    "NotReady",
    "SocketTaken",
    "SocketUnusable",
]

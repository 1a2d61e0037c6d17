"""Supervisors: Erlang's rules, with backoff and quarantine (R3)."""

from supervision.supervisor.description import State, TreeNode
from supervision.supervisor.errors import SupervisorExhausted, TooManyQuarantined, UnknownName
from supervision.supervisor.specs import ChildSpec, Exhausted, Restart, Strategy, SupervisorSpec
from supervision.supervisor.supervisor import Supervisor

__all__ = [
    "ChildSpec",
    "Exhausted",
    "Restart",
    "State",
    "Strategy",
    "Supervisor",
    "SupervisorExhausted",
    "SupervisorSpec",
    "TooManyQuarantined",
    "TreeNode",
    "UnknownName",
]

"""Engines under faults, audited often: what went wrong is found, and nobody is blamed for it (R15)."""

import attrs
import pytest

from actors.auditor import AuditPorts
from actors.bus import Bus
from actors.events import AuditFinished, DriftFound, DriftResolved
from model.drift import AuditRules
from model.finding import Cause
from supervision.engine import Engine
from supervision.events import ActorCrashed
from tests.simulation.run import simulate

OFTEN = AuditRules(period_s=3.0, grace_s=5.0)
NOBODYS = {Cause.MANUAL, Cause.FOREIGN}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Audit often, and return everything that is said meanwhile."""
    said: list[object] = []
    publish, audit_ports = Bus.publish, Engine._audit_ports

    def heard(self: Bus, event: object) -> None:
        said.append(event)
        publish(self, event)

    def hurried(self: Engine) -> AuditPorts:
        return attrs.evolve(audit_ports(self), rules=OFTEN)

    monkeypatch.setattr(Bus, "publish", heard)
    monkeypatch.setattr(Engine, "_audit_ports", hurried)
    return said


@pytest.mark.parametrize("seed", [12, 19, 25, 27, 31, 38])
def test_faults_are_never_taken_for_somebodys_hand(seed: int, told: list[object]) -> None:
    outcome = simulate(seed)

    assert not outcome.violations
    assert sum(isinstance(event, AuditFinished) for event in told) > 3
    found = [event for event in told if isinstance(event, DriftFound)]
    assert not [event for event in found if event.cause in NOBODYS]
    assert not [event for event in told if isinstance(event, ActorCrashed) and event.name == "auditor"]
    resolved = [event for event in told if isinstance(event, DriftResolved)]
    assert len(resolved) <= len([event for event in found if not event.again])

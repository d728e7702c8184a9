"""What a call does at its gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from worker.http.gates import Open
from worker.store.limits.limiter import _SLOT
from worker.store.redis import catalog

if TYPE_CHECKING:
    from worker.http.gates import Gate
    from worker.store.limits.limiter import Scope


def pass_gate(gate: Gate) -> None:
    """Wait at the gate and pass it, as a call that is sent at once."""
    gate.enter()
    if sent := gate.depart():
        sent()


def depart(scope: Scope) -> tuple[int, int, str]:
    """Ask once for the departure of a call; return whether it is granted, the microseconds to wait, and when it is."""
    granted, wait, leaves = scope._scripts(
        catalog.DEPART,
        scope.windows,
        scope=scope._key,
        slot=_SLOT.get(),
        lead_us=scope._lead,
        debt_us=scope._debt,
        keep_ms=scope._keep_ms,
    )
    return granted, wait, leaves


#: Seconds of a call behind a slow gate.
CALL: Final = 4.0


class Slow(Open):
    """A gate behind which each call takes `CALL` seconds of a clock of its own."""

    def __init__(self) -> None:
        self.now, self.calls = 0.0, 0

    def enter(self) -> None:
        self.now += CALL
        self.calls += 1

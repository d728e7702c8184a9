"""What a call does at its gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from worker.http.gates import Open

if TYPE_CHECKING:
    from worker.http.gates import Gate


def pass_gate(gate: Gate) -> None:
    """Wait at the gate and pass it, as a call that is sent at once."""
    gate.enter()
    if sent := gate.depart():
        sent()


#: Seconds of a call behind a slow gate.
CALL: Final = 4.0


class Slow(Open):
    """A gate behind which each call takes `CALL` seconds of a clock of its own."""

    def __init__(self) -> None:
        self.now, self.calls = 0.0, 0

    def enter(self) -> None:
        self.now += CALL
        self.calls += 1

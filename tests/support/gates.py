"""What a call does at its gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worker.http.gates import Gate


def pass_gate(gate: Gate) -> None:
    """Wait at the gate and pass it, as a call that is sent at once."""
    gate.enter()
    if sent := gate.depart():
        sent()

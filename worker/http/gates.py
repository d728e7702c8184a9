"""Gates: what a call has to pass before it is sent. The rate limits in Redis are gates too (`Scope`)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from worker.errors import TargetDown

if TYPE_CHECKING:
    from collections.abc import Callable


class Gate(Protocol):
    """The part of a rate limit that a client uses."""

    def enter(self) -> None:
        """Wait for this call's time slot. Raise RateLimited (with the delay) if the slot is too far off."""

    def depart(self) -> Callable[[], None] | None:
        """Wait until the first byte may be sent: called when the connection is open. Raise RateLimited as `enter`.

        Return what to call once the request has been sent, or None.
        """

    def close(self, delay: float | None) -> float:
        """Close for `delay` seconds, or for a default time if the other side named none; return these seconds."""


class Open:
    """A gate that lets every call through."""

    def enter(self) -> None:
        """Return at once."""

    def depart(self) -> Callable[[], None] | None:
        """Return None at once."""

    def close(self, delay: float | None) -> float:
        """Close nothing: return the seconds that the one caller has to wait, 1 if the other side named none."""
        return 1.0 if delay is None else delay


class MaintenanceGate:
    """A gate in front of an account's own that is closed during the account's maintenance.

    `left` returns the seconds of maintenance that are left, by the clock of Redis.
    """

    def __init__(self, gate: Gate, left: Callable[[], float]) -> None:
        self._gate, self._left = gate, left

    def enter(self) -> None:
        """Enter the gate behind this one. Raise TargetDown for as long as the maintenance lasts."""
        if left := self._left():
            raise TargetDown("maintenance", left)
        self._gate.enter()

    def depart(self) -> Callable[[], None] | None:
        """Depart through the gate behind this one."""
        return self._gate.depart()

    def close(self, delay: float | None) -> float:
        """Close the gate behind this one."""
        return self._gate.close(delay)


class Pace:
    """A gate in front of an account's own that spaces calls out, so that other work has the rest of the limit."""

    def __init__(self, gate: Gate, spacing: float) -> None:
        self._gate, self.spacing, self._next = gate, spacing, 0.0

    def enter(self) -> None:
        """Wait until `spacing` seconds after the last call, then enter the gate behind this one."""
        if (early := self._next - time.monotonic()) > 0:
            time.sleep(early)
        self._gate.enter()

    def depart(self) -> Callable[[], None] | None:
        """Depart through the gate behind this one; the next call waits from now on."""
        sent = self._gate.depart()
        self._next = time.monotonic() + self.spacing
        return sent

    def close(self, delay: float | None) -> float:
        """Close the gate behind this one."""
        return self._gate.close(delay)

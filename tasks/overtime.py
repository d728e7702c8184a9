"""The time of a task, which is extended while no other work waits for its process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from worker.runtime import Runtime

#: Seconds by which a task may exceed its time. Starting another one costs calls that the limit would have permitted: a
#: drain hands its lane over, and a poll has no page read ahead.
LONGEST: Final = 30.0
#: Seconds before its end at which a task checks whether other work waits: it still sends or reads what it has begun.
AHEAD: Final = 1.0
#: Seconds from one check to the next.
LOOK_EVERY: Final = 0.25


class Overtime:
    """The end of one task.

    Args:
        rt: The runtime.
        task: The task; more work of the same task and account does not count as other work.
        name: The name of its account.
        until: When its time is over (`time.monotonic`).
    """

    def __init__(self, rt: Runtime, task: str, name: str, until: float) -> None:
        self._rt, self._task, self._name = rt, task, name
        self.until = until
        self._latest, self._looked = until + LONGEST, 0.0

    def is_over(self) -> bool:
        """Return whether the time is over, after extending it if no other work waits."""
        now = time.monotonic()
        if now > self.until - AHEAD and now > self._looked + LOOK_EVERY:
            self._looked = now
            if not self._rt.others_wait(self._task, self._name):
                self.until = min(self._latest, now + 2 * AHEAD)
        return now > self.until

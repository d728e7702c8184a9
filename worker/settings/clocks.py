"""The `[clocks]` table, whose durations depend on each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from worker.durations import format_duration
from worker.settings.durations import Duration  # noqa: TC001  # pydantic reads it at run time
from worker.settings.tables import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The work of a killed worker is taken up again within this many seconds.
_PROMISE: Final = 15.0


class Clocks(Table):
    """Durations that depend on each other, in seconds."""

    #: The interval at which a drain renews its lease.
    heartbeat: Duration = 3.0
    #: A drain loses its orders if its lease is this old.
    lease: Duration = 10.0
    #: The interval of the sweep, which nudges lanes with due work and frees the orders of dead drains.
    sweep: Duration = 1.0
    #: A drain, and a poll, ends itself after this time.
    drain: Duration = 5.0
    poll: Duration = 20.0
    #: The time limit of one HTTP call.
    request: Duration = 30.0
    #: The time after which a created order can be found in a target that does not show it at once (Dropboy).
    arrived: Duration = 60.0
    #: A nudge that no worker has taken is sent again after this time.
    hint: Duration = 10.0

    def conflicts(self) -> Iterator[tuple[str, str, str]]:
        """Yield the key, the reason and the remedy for each pair of durations that do not fit together."""
        say = format_duration
        if 3 * self.heartbeat > self.lease:
            facts = f"three heartbeats of {say(self.heartbeat)} do not fit into a lease of {say(self.lease)}"
            effect = "one late heartbeat would take the orders from a worker that is alive"
            yield "heartbeat", f"{facts}: {effect}", "Make heartbeat at most a third of lease."
        if self.lease + 2 * self.sweep >= _PROMISE:
            facts = f"a lease of {say(self.lease)} and two sweeps of {say(self.sweep)} are not under {say(_PROMISE)}"
            effect = "the work of a killed worker would be taken over too late"
            yield "lease", f"{facts}: {effect}", f"Keep lease + 2 * sweep under {say(_PROMISE)}."
        if self.drain <= self.sweep:
            facts = f"a drain of {say(self.drain)} ends before the next sweep, which comes every {say(self.sweep)}"
            yield "drain", f"{facts}: a full lane would stop in between", "Make drain longer than sweep."
        if self.hint <= self.sweep:
            facts = f"a hint of {say(self.hint)} ends before the next sweep, which comes every {say(self.sweep)}"
            effect = "each sweep would send busy workers an extra message"
            yield "hint", f"{facts}: {effect}", "Make hint longer than sweep."
        if self.hint + 2 * self.sweep >= _PROMISE:
            facts = f"a hint of {say(self.hint)} and two sweeps of {say(self.sweep)} are not under {say(_PROMISE)}"
            effect = "a message that was lost with a killed worker would be sent again too late"
            yield "hint", f"{facts}: {effect}", f"Keep hint + 2 * sweep under {say(_PROMISE)}."

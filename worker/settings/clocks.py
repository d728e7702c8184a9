"""The clocks of the settings, checked as one chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from worker.durations import format_duration
from worker.settings.document import Table
from worker.settings.durations import Duration  # noqa: TC001  # pydantic reads it at run time

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The work of a killed worker is taken up again within so many seconds.
_PROMISE: Final = 15.0


class Clocks(Table):
    """All the times that hang together, in seconds."""

    #: A drain renews its lease this often,
    heartbeat: Duration = 3.0
    #: and without it loses its orders after this.
    lease: Duration = 10.0
    #: Lanes with due work are woken, and the orders of dead drains are freed, this often.
    sweep: Duration = 1.0
    #: One drain, and one poll, ends itself after this.
    drain: Duration = 5.0
    poll: Duration = 20.0
    #: One HTTP call has this long.
    request: Duration = 30.0
    #: What a target took in that does not show an order at once (Dropboy) can be seen there after this.
    arrived: Duration = 60.0
    #: A message that nobody took is sent again after this.
    nudge: Duration = 10.0

    def conflicts(self) -> Iterator[tuple[str, str, str]]:
        """Two clocks that do not go together: the key, the reason, the remedy."""
        say = format_duration
        if 3 * self.heartbeat > self.lease:
            yield (
                "heartbeat",
                (
                    f"three heartbeats of {say(self.heartbeat)} do not fit into a lease of {say(self.lease)}:"
                    " one late heartbeat would take the orders from a worker that is alive"
                ),
                "Make heartbeat at most a third of lease.",
            )
        if self.lease + 2 * self.sweep >= _PROMISE:
            yield (
                "lease",
                (
                    f"a lease of {say(self.lease)} and two sweeps of {say(self.sweep)} are not under {say(_PROMISE)}:"
                    " the work of a killed worker would be taken up too late"
                ),
                f"Keep lease + 2 * sweep under {say(_PROMISE)}.",
            )
        if self.drain <= self.sweep:
            yield (
                "drain",
                (
                    f"a drain of {say(self.drain)} ends before the next sweep, which comes each {say(self.sweep)}:"
                    " a full lane would stand still in between"
                ),
                "Make drain longer than sweep.",
            )
        if self.nudge <= self.sweep:
            yield (
                "nudge",
                (
                    f"a nudge of {say(self.nudge)} is over before the next sweep, which comes each {say(self.sweep)}:"
                    " each sweep would send busy workers one message more"
                ),
                "Make nudge longer than sweep.",
            )
        if self.nudge + 2 * self.sweep >= _PROMISE:
            yield (
                "nudge",
                (
                    f"a nudge of {say(self.nudge)} and two sweeps of {say(self.sweep)} are not under {say(_PROMISE)}:"
                    " a message that was lost with a killed worker would be sent again too late"
                ),
                f"Keep nudge + 2 * sweep under {say(_PROMISE)}.",
            )

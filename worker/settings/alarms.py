"""The `[alarms]` table: the thresholds of alarms, and the receivers of the messages about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from worker.settings.durations import Duration  # noqa: TC001  # pydantic reads it at run time
from worker.settings.receivers import Destination, Receiver, read_receivers
from worker.settings.tables import Table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from worker.settings.document import Document

_DAY: Final = 86_400.0


class AlarmSettings(Table):
    """The `[alarms]` table; times in seconds."""

    #: Where messages about alarms are sent.
    to: dict[str, Receiver] = Field(default_factory=dict)
    #: How often the state is judged.
    every: Duration = 5.0
    #: How long a new process waits before it judges: after a night without processes everything is old, and not late.
    grace: Duration = 30.0
    #: A provider is late after this many of its poll intervals without a successful poll.
    late: Annotated[float, Field(ge=1, le=100)] = 1.5
    #: A provider is quiet after this long without a new order; `quiet` overrides it by provider.
    quiet_after: Duration = 7 * _DAY
    quiet: dict[str, Duration] = Field(default_factory=dict)
    #: New orders in a row that only polls found although a webhook is configured.
    missed_hooks: Annotated[int, Field(ge=1)] = 10
    #: Age of the oldest undelivered order.
    oldest: Duration = 900.0
    #: Failed calls to a target in a row.
    failures: Annotated[int, Field(ge=1)] = 10
    #: Orders that died within an hour; orders in doubt; orders held; records and jobs that could not be read.
    dead: Annotated[int, Field(ge=1)] = 1
    in_doubt: Annotated[int, Field(ge=1)] = 1
    held: Annotated[int, Field(ge=1)] = 1
    unreadable: Annotated[int, Field(ge=1)] = 1
    #: Time without a sweep, or without a sign of life of any worker.
    silent_after: Duration = 30.0
    #: Time for which messages wait and no worker takes one, or orders are due and no drain sends them.
    untaken_after: Duration = 120.0
    #: Used share of the maxmemory of Redis.
    memory: Annotated[float, Field(gt=0, le=1)] = 0.8

    def quiet_of(self, provider: str) -> float:
        """Return after how many seconds without a new order this provider is quiet."""
        return self.quiet.get(provider, self.quiet_after)

    def destinations(self) -> list[Destination]:
        """Return the webhooks and mailboxes of all receivers."""
        return [destination for name, receiver in self.to.items() for destination in receiver.destinations(name)]


def read_alarms(document: Document, providers: Iterable[str], accounts: Collection[str]) -> AlarmSettings:
    """Read the table; note its errors in the document."""
    values = document.values.get("alarms", {})
    to = values.get("to", {}) if isinstance(values, dict) else {}
    own = {key: value for key, value in values.items() if key != "to"} if isinstance(values, dict) else values
    table = document.read(AlarmSettings, own, ("alarms",)) or AlarmSettings()
    known = sorted(providers)
    for name in sorted(table.quiet.keys() - set(known)):
        remedy = f"Choose from: {', '.join(known) or 'none'}."
        document.add_error(("alarms", "quiet", name), "is not one of the providers", remedy)
    return table.model_copy(update={"to": read_receivers(document, to, accounts)})

"""The `[alarms]` table: from when on something is told, and to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator, Field, SecretStr

from worker.settings.addresses import hook_url
from worker.settings.document import Table
from worker.settings.durations import Duration  # noqa: TC001  # pydantic reads it at run time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worker.settings.document import Document

_DAY: Final = 86_400.0


class Alarming(Table):
    """The `[alarms]` table; times in seconds."""

    #: Whom alarms are sent to: a web hook that takes JSON (Slack's, or one that reads the other fields).
    url: Annotated[SecretStr, AfterValidator(hook_url)] | None = None
    #: The state is judged this often,
    every: Duration = 5.0
    #: but not in the first moments of a process: what was stopped for the night is old, and not late.
    grace: Duration = 30.0
    #: A provider is late after so many of its own poll intervals without a success.
    late: Annotated[float, Field(ge=1, le=100)] = 1.5
    #: No order came from a provider for so long; `quiet` has what is usual for one of them.
    quiet_after: Duration = 7 * _DAY
    quiet: dict[str, Duration] = Field(default_factory=dict)
    #: New orders in a row that the poll alone found, although a web hook is set up.
    missed_hooks: Annotated[int, Field(ge=1)] = 10
    #: An order waits for its delivery for so long.
    oldest: Duration = 900.0
    #: Calls to a target that failed in a row.
    failures: Annotated[int, Field(ge=1)] = 10
    #: Orders that died within an hour; orders in doubt; orders held; records and jobs that could not be read.
    dead: Annotated[int, Field(ge=1)] = 1
    in_doubt: Annotated[int, Field(ge=1)] = 1
    held: Annotated[int, Field(ge=1)] = 1
    unreadable: Annotated[int, Field(ge=1)] = 1
    #: No sweep, or no sign of life of any worker, for so long.
    silent_after: Duration = 30.0
    #: Messages wait in a queue, and no worker has begun with one for so long.
    untaken_after: Duration = 120.0
    #: The part of Redis' maxmemory that is used.
    memory: Annotated[float, Field(gt=0, le=1)] = 0.8

    def quiet_of(self, provider: str) -> float:
        """Seconds without an order after which this provider is quiet."""
        return self.quiet.get(provider, self.quiet_after)


def read_alarming(document: Document, providers: Iterable[str]) -> Alarming:
    """The table; what is wrong with it is noted in the document."""
    table = document.read(Alarming, document.values.get("alarms", {}), ("alarms",)) or Alarming()
    if table.url and ("alarms", "url") not in document.from_environment:
        document.add_literal_secret(("alarms", "url"))
    known = sorted(providers)
    for name in sorted(table.quiet.keys() - set(known)):
        remedy = f"Known here: {', '.join(known) or 'none'}."
        document.add_error(("alarms", "quiet", name), "is not one of the providers", remedy)
    return table

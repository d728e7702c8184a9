"""The orders that wait for a person, as the report names them: by number, without personal data."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from worker.operations.reasons import reason
from worker.operations.waiting import Wish, select, with_summaries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.operations.waiting import ListName
    from worker.runtime import Runtime

#: The lists whose orders are named, and how many of each at most.
_LISTS: Final[tuple[ListName, ...]] = ("dead", "in_doubt", "held")
MOST: Final = 50


class WaitingOrder(NamedTuple):
    """One order of the report."""

    key: str
    #: What people know it by; its id at the shop, if it has no number.
    number: str
    shop: str
    system: str
    since: datetime
    #: The list it is on.
    state: ListName
    why: str


def waiting_orders(rt: Runtime, shop: str = "") -> Iterator[WaitingOrder]:
    """Yield the orders (of one shop) that wait for a person, of each state those that wait longest in each target."""
    for name in _LISTS:
        for row in with_summaries(rt, islice(select(rt, name, Wish(account=shop)), MOST)):
            number = row.number or row.key.partition(":")[2]
            since = datetime.fromtimestamp(row.since / 1000, UTC)
            said = f'{row.target} responded: "{row.said}"' if row.said else ""
            why = " ".join(filter(None, (reason(row.code), said)))
            yield WaitingOrder(row.key, number, row.provider, row.target, since, name, why)

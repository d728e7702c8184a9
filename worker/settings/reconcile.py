"""The `[reconcile]` table: the pairs that are compared every night, how far back, and with how much of the limits."""

from __future__ import annotations

import re
from datetime import time
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BeforeValidator, Field

from worker.settings.durations import Duration  # noqa: TC001  # pydantic reads it at run time
from worker.settings.tables import SettingError, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.settings.document import Document
    from worker.settings.routes import Route

_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def _time(value: Any) -> time:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise SettingError("is not a time of the day", 'Write it as "03:00", in UTC.')
    return time.fromisoformat(value)


def _pair(value: Any) -> tuple[str, str]:
    if not isinstance(value, str):
        raise SettingError("must be text", 'Write it as "PROVIDER > TARGET".')
    provider, _, target = value.partition(" > ")
    return provider, target


class ReconcileSettings(Table):
    """The `[reconcile]` table. `pairs` are written "shop-nl > dropday"; by default, all that the routes name.

    `at` is in UTC, `range` in seconds. `share` is the part of each limit that the comparison may use.
    """

    pairs: tuple[Annotated[tuple[str, str], BeforeValidator(_pair)], ...] = ()
    at: Annotated[time, BeforeValidator(_time)] = time(3)
    range: Duration = 7 * 86_400.0
    share: Annotated[float, Field(ge=0.01, le=1)] = 0.2


def pairs_of(routes: Sequence[Route], providers: Any) -> tuple[tuple[str, str], ...]:
    """Return each provider with each target of its routes, without sources that cannot be read (producers)."""
    pairs = ((route.source, target) for route in routes for target in route.targets if route.source in providers)
    return tuple(dict.fromkeys(pairs))


def read_reconcile(document: Document, routes: Sequence[Route], providers: Any) -> ReconcileSettings:
    """Return the table and add its errors to the document. Without the table, nothing is compared at night."""
    table, possible = document.section(ReconcileSettings, "reconcile"), pairs_of(routes, providers)
    if "reconcile" not in document.values:
        return table
    if "pairs" not in table.model_fields_set:
        return table.model_copy(update={"pairs": possible})
    for number, pair in enumerate(table.pairs):
        if pair not in possible:
            names = ", ".join(" > ".join(names) for names in possible)
            reason = "is not a pair of a route"
            document.add_error(("reconcile", "pairs", number), reason, f"Choose from: {names or 'none'}.")
    return table

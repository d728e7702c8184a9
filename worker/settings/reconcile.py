"""The `[reconcile]` table: which pairs are compared by night, how far back, with how much of the limits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator, Field

from worker.settings.document import Table, Wrong
from worker.settings.durations import Duration  # noqa: TC001  # pydantic reads it at run time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.settings.document import Document
    from worker.settings.routes import Route

_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def _time(text: str) -> str:
    if not _TIME.fullmatch(text):
        raise Wrong("is not a time of the day", 'Write it as "03:00", in UTC.')
    return text


class ReconcileTable(Table):
    """`pairs` are written "shop-nl > dropday"; left out, all that the routes name."""

    pairs: tuple[str, ...] | None = None
    at: Annotated[str, AfterValidator(_time)] = "03:00"
    range: Duration = 7 * 86_400.0
    share: Annotated[float, Field(ge=0.01, le=1)] = 0.2


class Reconciling(Table):
    """What beat does by night; without pairs, nothing. `hour` and `minute` are UTC, `range` is in seconds."""

    pairs: tuple[tuple[str, str], ...] = ()
    hour: int = 3
    minute: int = 0
    range: float = 7 * 86_400.0
    share: float = 0.2


def pairs_of(routes: Sequence[Route], providers: Any) -> tuple[tuple[str, str], ...]:
    """Each provider with each target that a route of it names; one that is only pushed to has nothing to be read."""
    named = ((route.source, target) for route in routes for target in route.targets if route.source in providers)
    return tuple(dict.fromkeys(named))


def read_reconciling(document: Document, routes: Sequence[Route], providers: Any) -> Reconciling:
    """The table; what is wrong with it is noted in the document. Left out, nothing is compared by night."""
    if "reconcile" not in document.values:
        return Reconciling()
    table = document.read(ReconcileTable, document.values["reconcile"], ("reconcile",))
    if table is None:
        return Reconciling()
    known = pairs_of(routes, providers)
    by_text = {f"{provider} > {target}": (provider, target) for provider, target in known}
    for number, text in enumerate(table.pairs or ()):
        if text not in by_text:
            remedy = f"Known here: {', '.join(by_text) or 'none'}."
            document.wrong(("reconcile", "pairs", number), "is no pair that a route names", remedy)
    pairs = known if table.pairs is None else tuple(by_text[text] for text in table.pairs if text in by_text)
    hour, minute = map(int, table.at.split(":"))
    return Reconciling(pairs=pairs, hour=hour, minute=minute, range=table.range, share=table.share)

"""The references of former templates: orders keep the reference that they were created with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from worker.errors import Rejected
from worker.settings.routes import Route

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from schemas.order import Order
    from worker.store.registry.registry import Pair, Template

#: Milliseconds for which an order may have been placed after its template changed: clocks differ, and processes are not
#: all started again at once.
_MARGIN: Final = 86_400_000


def former_routes(routes: Iterable[Route], templates: Mapping[Pair, Sequence[Template]]) -> Iterator[Route]:
    """Yield a route for each pair and template that no route has any more: orders were created by it."""
    now = {(route.source, target, route.reference) for route in routes for target in route.targets}
    for (source, target), known in templates.items():
        for template in known:
            if (source, target, template.text) not in now:
                yield Route(source=source, targets=(target,), reference=template.text)


def former_references(
    route: Route, order: Order, templates: Sequence[Template], encode: Callable[[str], str]
) -> tuple[str, ...]:
    """Return the references that the order may have got from the former templates of its route.

    An order that was placed after a template was changed has none of it, so that new orders are not searched for.
    """
    placed = order.ordered_at.timestamp() * 1000
    found: list[str] = []
    for template in templates:
        if template.until is not None and placed < template.until + _MARGIN:
            try:
                found.append(encode(route.model_copy(update={"reference": template.text}).reference_of(order)))
            except Rejected:
                continue  # it could not have been created
    return tuple(dict.fromkeys(found))

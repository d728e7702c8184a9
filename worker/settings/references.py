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


def shared_ids(route: Route, within: str, value: object) -> Iterator[tuple[str, str]]:
    """Find a reference that orders of two sites or stores could share; yield the reason and the remedy.

    `value` is that of the option `within` of the provider, which limits it to one site or store.
    """
    if value is None and not any(field in route.reference for field in ("{external_id}", "{store}")):
        reason = f"two orders of {route.source} could have one reference: a {{source_id}} is unique within one {within}"
        yield reason, f'Write reference = "{{store}}:{{source_id}}" or "{{external_id}}", or name the {within}.'


def is_unique(route: Route) -> bool:
    """Return whether a reference of the route follows from the key of one order, and no other order can have it."""
    return route.reference.replace("{provider}", "").count("{") == 1 and "{external_id}" in route.reference


def external_id_in(route: Route, reference: str) -> str:
    """Return the id of the order in a reference of the route that contains nothing else of it; "" for any other."""
    if not is_unique(route) or not route.may_have_made(reference):
        return ""
    start, end = route.edges
    return reference[len(start) : len(reference) - len(end)]


def stands_alone(route: Route, routes: Iterable[Route]) -> bool:
    """Return whether no other order can have a reference of the route: each of the `routes` makes it as this one."""
    return is_unique(route) and all((each.source, each.reference) == (route.source, route.reference) for each in routes)


def shared_with(route: Route, order: Order, routes: Iterable[Route]) -> str:
    """Return which other orders could have the reference of the order, as `owner.lua` takes it; "" if none can.

    Args:
        route: The route of the order.
        order: The order.
        routes: All routes into the target, also those by which orders were created before.
    """
    known = list(routes)
    if stands_alone(route, known):
        return ""
    try:
        reference = route.reference_of(order)
    except Rejected:
        return ""
    rivals = (f"{each.source}:{external_id_in(each, reference)}" for each in known)
    keys = dict.fromkeys(key for key in rivals if not key.endswith(":") and key != order.key)
    if not keys and all(is_unique(each) for each in known):
        return ""
    return ("-" if is_unique(route) else "+") + "\n".join(keys)


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

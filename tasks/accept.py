"""Accept: write orders from any source into the ledger, for every target that a route names."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from schemas.order import Status
from worker.errors import Malformed, PermanentError, StoreFrozen, StoreFull
from worker.inbox.record import isolated
from worker.settings.references import former_references, shared_with, stands_alone
from worker.settings.routes import route_since
from worker.store.feeds.left_out import LeftOutOrder
from worker.store.redis.connection import ERRORS, refuses_values
from worker.systems.references import encode
from worker.telemetry import traces

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from schemas.order import Order
    from worker.app import Nudge
    from worker.runtime import Adapters, Runtime
    from worker.settings.routes import Route
    from worker.store.orders.delivery import Ask, Delivery
    from worker.store.orders.ledger import Accepted
    from worker.store.registry.registry import Template

#: A Redis that refuses this many orders and accepts none is itself at fault.
_MANY: Final = 16


def accept(
    rt: Runtime, orders: Sequence[Order], source: str, nudge: Nudge, ask: Ask = "new"
) -> tuple[Counter[str], list[tuple[Order, PermanentError]]]:
    """Write orders of one provider into the ledger, and nudge the lanes that have work now.

    Every order of a poll, push, hint, backfill or repair passes here. What fails on one of them is returned with it:
    the others are accepted. Raise StoreFull if Redis is full, after all was accepted that needs no more room (see
    `Ledger.accept`): the orders have to be accepted again.

    Args:
        rt: The runtime.
        orders: Orders of one provider.
        source: The origin of the orders, such as "poll shop-nl", for the history of each order.
        nudge: Notifies a worker that a task has work for an account.
        ask: Which orders that the ledger does not know are searched for before they are created, at a target that
            accepts duplicates (see `Ask`).

    Returns:
        The number of deliveries with each result (see `Accepted`), and the orders that could not be accepted.
    """
    counts: Counter[str] = Counter()
    rejected: list[tuple[Order, PermanentError]] = []
    by_target: dict[str, list[Delivery]] = defaultdict(list)
    #: The order of the provider for each order that is delivered: a transform returns another one.
    origins: dict[int, Order] = {}
    ways = ways_of(rt, orders[0].provider) if orders else ()
    # An order that gave its goods to another one comes first: the other one has to wait for it.
    for order in sorted(orders, key=lambda order: order.removed is None):
        try:
            prepared = prepare(rt, order, ways)
        except PermanentError as error:
            rejected.append((order, error))
            continue
        counts["ours"] += prepared is None
        errors: list[PermanentError] = []
        for target, delivery in prepared or ():
            if isinstance(delivery, PermanentError):
                errors.append(delivery)
                continue
            by_target[target].append(delivery)
            origins[id(delivery.order)] = order
        if errors:
            rejected.append((order, errors[0]))
    new: set[str] = set()
    known: dict[str, Order] = {}
    left_out: list[LeftOutOrder] = []
    full: list[StoreFull] = []
    with traces.acceptance(source) as span:
        for target, deliveries in by_target.items():
            write = partial(
                rt.ledger.accept,
                target,
                source=source,
                ask=ask,
                dedupes=rt.targets[target].dedupes,
                on_change=rt.on_change(orders[0].provider, target),
                updates=rt.targets[target].updates,
            )
            parts, refused = _accept_what_fits(write, deliveries, full)
            rejected += [(origins[id(order)], error) for order, error in refused]
            results = [pair for part in parts for pair in part.orders]
            counts.update(result for _, result in results)
            span.note_accepted(target, results)
            new.update(order.key for order, result in results if result == "new")
            known |= {order.key: origins[id(order)] for order, result in results if result != "unwanted"}
            left_out += _left_out(target, deliveries, results, requested=source.startswith("backfill "))
            if any(part.nudge for part in parts):
                nudge("deliver", target)
    if new:
        rt.ledger.count_arrivals(orders[0].provider, source, len(new))
    _note(rt, orders, known, new, left_out)
    if full:
        raise full[0]
    return +counts, rejected


def _left_out(
    target: str, deliveries: Sequence[Delivery], results: Sequence[tuple[Order, str]], *, requested: bool
) -> Iterator[LeftOutOrder]:
    """Yield the orders that the ledger does not know, because they are not created in the target.

    They were placed before the start of the provider, unless a backfill `requested` them, or no route creates them.
    """
    rules = {id(made.order): made.rule if requested else made.before_start or made.rule for made in deliveries}
    for order, result in results:
        if result == "unwanted" and (rule := rules.get(id(order))):
            yield LeftOutOrder(order.external_id, target, rule, order.display_id, order.status_raw)


def _note(
    rt: Runtime,
    orders: Sequence[Order],
    known: Mapping[str, Order],
    new: Collection[str],
    left_out: Sequence[LeftOutOrder],
) -> None:
    """Note the numbers of the known orders; count those left out or of an unknown status, each once."""
    if not orders:
        return
    # Also of orders that were known before: the process may have died right here.
    rt.numbers.note(orders[0].provider, known.values())
    provider, first = orders[0].provider, set(new)
    if left_out:
        noted = zip(left_out, rt.left_outs.note(provider, left_out), strict=True)
        first.update(f"{provider}:{order.external_id}" for order, is_new in noted if is_new)
    unknown = {order.key: order.status_raw or "" for order in orders if order.status is Status.UNKNOWN}
    if codes := [code for key, code in unknown.items() if key in first]:
        rt.left_outs.note_unknown(provider, codes)


def prepare(
    rt: Adapters, order: Order, ways: Sequence[Way] | None = None
) -> list[tuple[str, Delivery | PermanentError]] | None:
    """Return the deliveries of an order by target, each with all that the ledger takes; None for an echo.

    `ways` are those of the order's provider, worked out once for all orders of a page.
    In the place of a delivery that cannot be made stands its error: the other targets get the order all the same. Raise
    PermanentError if the order cannot be routed at all.
    """
    with isolated("routing the order"):
        if rt.is_echo(order):
            return None
        return [(target, _packed(delivery)) for target, delivery in route_order(rt, order, ways)]


def _packed(delivery: Delivery | PermanentError) -> Delivery | PermanentError:
    if isinstance(delivery, PermanentError):
        return delivery
    try:
        with isolated("packing the order"):
            delivery.values  # noqa: B018  # computed here, and kept: nothing of the order can fail in the ledger
    except PermanentError as error:
        return error
    return delivery


class _Part(NamedTuple):
    """Orders that one call accepted, with the result of each, and whether a worker must be nudged."""

    orders: list[tuple[Order, str]]
    nudge: bool


def _accept_what_fits(
    write: Callable[[Sequence[Delivery]], Accepted], deliveries: Sequence[Delivery], full: list[StoreFull]
) -> tuple[list[_Part], list[tuple[Order, PermanentError]]]:
    """Accept the deliveries; note in `full` that Redis has no room for all of them, so that other targets follow."""
    try:
        return _accept_each(write, deliveries)
    except StoreFrozen:
        raise
    except StoreFull as error:
        full.append(error)
        return [], []


def _accept_each(
    write: Callable[[Sequence[Delivery]], Accepted], deliveries: Sequence[Delivery]
) -> tuple[list[_Part], list[tuple[Order, PermanentError]]]:
    """Accept the deliveries at once; if Redis refuses their values, halve them until the refused ones are alone.

    Return what was accepted, and the refused orders. Raise the error of a Redis that refuses all of many orders: the
    fault is not theirs.
    """
    try:
        accepted = write(deliveries)
    except ERRORS as error:
        if not refuses_values(error):
            raise
        if len(deliveries) == 1:
            return [], [(deliveries[0].order, Malformed(f"Redis refuses the order: {type(error).__name__}"))]
        half = len(deliveries) // 2
        parts, refused = _accept_each(write, deliveries[:half])
        more_parts, more_refused = _accept_each(write, deliveries[half:])
        if not parts and not more_parts and len(deliveries) >= _MANY:
            raise
        return parts + more_parts, refused + more_refused
    orders = zip((delivery.order for delivery in deliveries), accepted.results, strict=True)
    return [_Part(list(orders), accepted.nudge)], []


class Way(NamedTuple):
    """How the orders of a provider get to one target."""

    target: str
    #: The routes between the two, and all routes into the target.
    routes: list[Route]
    into: list[Route]
    #: No order of these routes can have the reference of another one.
    alone: bool
    #: Former templates of the reference.
    former: Sequence[Template]
    encode: Callable[[str], str]
    start: datetime | None


def ways_of(rt: Adapters, provider: str) -> list[Way]:
    """Return the way to each target that a route names for the provider."""
    settings = rt.settings
    ways: list[Way] = []
    for target in settings.targets_of(provider):
        into = [route for route in settings.all_routes if target in route.targets]
        routes = [route for route in settings.routes if route.source == provider and target in route.targets]
        former = settings.templates.get((provider, target), ())[1:]
        write = partial(encode, alphabet=rt.targets[target].alphabet, longest=rt.targets[target].longest)
        ways.append(
            Way(target, routes, into, stands_alone(routes[0], into), former, write, settings.start_of(provider))
        )
    return ways


def route_order(
    rt: Adapters, order: Order, ways: Sequence[Way] | None = None
) -> Iterator[tuple[str, Delivery | PermanentError]]:
    """Yield each target that a route names for the order's provider, with the delivery that `route_since` returns.

    The delivery is an error if a route wants the order, but cannot make its reference, or if its transform failed. The
    other targets get the order all the same. `ways` are as in `prepare`.
    """
    for way in ways_of(rt, order.provider) if ways is None else ways:
        try:
            delivery = route_since(way.start, way.routes, order, way.encode)
            if not way.alone and (shared := shared_with(way.routes[0], order, way.into)):
                delivery = replace(delivery, shared=shared)
            if way.former:
                former = former_references(way.routes[0], order, way.former, way.encode)
                delivery = replace(delivery, former=tuple(each for each in former if each != delivery.reference))
            yield way.target, delivery
        except PermanentError as error:
            yield way.target, error

"""Accept: write orders from any source into the ledger, for every target that a route names."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from worker.errors import Malformed, PermanentError, Rejected, RetryableError, SnoozeError
from worker.store.orders.ledger import Ask, Delivery
from worker.systems.references import encode
from worker.telemetry import traces

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from schemas.order import Order
    from worker.app import Nudge
    from worker.runtime import Runtime
    from worker.settings.routes import Route
    from worker.systems.provider import Provider, Record


def normalize(provider: Provider, record: Record) -> Order:
    """Return the record as an order.

    Raise PermanentError for an unreadable record, including a bug of the adapter. An adapter that must call the
    provider first (RetailCRM: for the time zone) may also raise RetryableError or SnoozeError.
    """
    try:
        return provider.normalize(record)
    except (PermanentError, RetryableError, SnoozeError):
        raise
    except Exception as error:  # noqa: BLE001  # a bug of an adapter must not stop the feed
        raise adapter_bug(provider, error) from None


def adapter_bug(provider: Provider, error: Exception) -> Malformed:
    """Return the error for a record at which an adapter failed. It names the exception, never a value of the record."""
    return Malformed(f"bug: the {provider.kind} adapter failed with {type(error).__name__}")


def accept(
    rt: Runtime, orders: Sequence[Order], source: str, nudge: Nudge, ask: Ask = "new"
) -> tuple[Counter[str], list[tuple[Order, Rejected]]]:
    """Write orders of one provider into the ledger, and nudge the lanes that have work now.

    Args:
        rt: The runtime.
        orders: Orders of one provider.
        source: The origin of the orders, such as "poll shop-nl", for the history of each order.
        nudge: Notifies a worker that a task has work for an account.
        ask: Which orders that the ledger does not know are searched for before they are created, at a target that
            accepts duplicates (see `worker/store/orders/ledger.py`).

    Returns:
        The number of deliveries with each result (see `Accepted`), and the orders for which no reference can be made.
    """
    counts: Counter[str] = Counter()
    rejected: list[tuple[Order, Rejected]] = []
    by_target: dict[str, list[Delivery]] = defaultdict(list)
    for order in orders:
        if rt.is_echo(order):
            counts["ours"] += 1
            continue
        try:
            for target, delivery in route_order(rt, order):
                by_target[target].append(delivery)
        except Rejected as error:
            rejected.append((order, error))
    new: set[str] = set()
    with traces.acceptance(source) as span:
        for target, deliveries in by_target.items():
            # A target that refuses duplicates is not asked first, even when the ledger is new.
            ask_first: Ask = "never" if rt.targets[target].dedupes else ask
            on_change = rt.on_change(orders[0].provider, target)
            accepted = rt.ledger.accept(target, deliveries, source, ask=ask_first, on_change=on_change)
            counts.update(accepted.results)
            results = list(zip((delivery.order for delivery in deliveries), accepted.results, strict=True))
            span.note_accepted(target, results)
            new.update(order.key for order, result in results if result == "new")
            if accepted.nudge:
                nudge("deliver", target)
    if new:
        rt.ledger.count_arrivals(orders[0].provider, source, len(new))
    return counts, rejected


def route_order(rt: Runtime, order: Order) -> Iterator[tuple[str, Delivery]]:
    """Yield each target that a route names for the order's provider, with the delivery of the order.

    An order that no route wants is delivered as unwanted, because a route may have wanted it before it changed. Raise
    Rejected if a route wants the order but cannot make its reference.
    """
    routes: list[Route] = [route for route in rt.settings.routes if route.source == order.provider]
    for target in dict.fromkeys(name for route in routes for name in route.targets):
        candidates = [route for route in routes if target in route.targets]
        accepting = [route for route in candidates if route.accepts(order)]
        try:
            reference = (accepting or candidates)[0].reference_of(order)
        except Rejected:
            if accepting:
                raise
            continue
        yield target, Delivery(order, encode(reference, rt.targets[target].alphabet), wanted=bool(accepting))

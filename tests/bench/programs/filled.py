"""A ledger with many delivered orders and some in every other state, made by the scripts that workers call."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from schemas.order import Order
    from worker.runtime import Runtime

KEY: Final = "BENCH_KEY"
CONFIG: Final = """
[redis]
url = "{redis}"
[providers.shop]
start = "2020-01-01"
kind = "retailcrm"
url = "http://127.0.0.1:9"
api_key = "env:BENCH_KEY"
[targets.dropday]
kind = "dropday"
url = "http://127.0.0.1:9"
api_key = "env:BENCH_KEY"
account_id = "env:BENCH_KEY"
[[routes]]
from = "shop"
to = ["dropday"]
also_create = ["cancelled", "returned", "excluded", "on_hold", "test"]
reference = "R-{{external_id}}"
"""
#: Orders that are accepted and delivered in one call.
PAGE: Final = 500
_WHY: Final = ("rejected", "422: shipping_address.postcode: is not valid for the country")
DELIVERED: Final = Outcome("delivered")
#: The outcomes of the other orders by what their ids begin with, and of how many delivered orders there is one more of
#: each.
OTHERS: Final = {
    "dead": Outcome("bury", *_WHY),
    "doubt": Outcome("doubt", *_WHY),
    "held": Outcome("hold", *_WHY),
    "queued": Outcome("retry", *_WHY, delay=86_400),
}
SHARE: Final = 1000


def fill(rt: Runtime, samples: Sequence[Order], numbers: range, report: Callable[[str], None]) -> dict[str, float]:
    """Deliver an order of each number, leave a few in the other states; return bytes by order, and of its number."""
    empty = _used(rt)
    for start in range(numbers.start, numbers.stop, PAGE):
        if start % 10_000 == 1:
            report(f"{start:,} of {numbers.stop - 1:,} orders")
        orders = [_order(samples, number) for number in range(start, min(start + PAGE, numbers.stop))]
        settle(rt, orders, DELIVERED)
    full = _used(rt)
    for start in range(numbers.start, numbers.stop, PAGE):
        numbered = [_order(samples, number) for number in range(start, min(start + PAGE, numbers.stop))]
        rt.numbers.note("shop", numbered)
    indexed = _used(rt)
    for name, outcome in OTHERS.items():
        ids = range(numbers.start // SHARE + 1, (numbers.stop - 1) // SHARE + 1)
        settle(rt, [_order(samples, 1).model_copy(update={"external_id": f"{name}-{n}"}) for n in ids], outcome)
    return {"order": (full - empty) / len(numbers), "number": (indexed - full) / len(numbers)}


def _order(samples: Sequence[Order], number: int) -> Order:
    """Return one of the samples as the order `number`."""
    sample = samples[number % len(samples)]
    return sample.model_copy(update={"external_id": str(number), "display_id": f"#A-{100_000 + number}"})


def settle(rt: Runtime, orders: Sequence[Order], outcome: Outcome) -> None:
    """Accept orders, claim them, and settle them so."""
    rt.ledger.accept("dropday", [Delivery(each, f"R-{each.external_id}") for each in orders], "poll shop")
    with rt.lanes["dropday"].drain() as drain:
        while claims := drain.claim(PAGE):
            drain.settle([(claim, replace(outcome, extra=f"9{claim.reference[2:]}")) for claim in claims])
        drain.leave()


def _used(rt: Runtime) -> int:
    """Return the bytes that the server uses for data, after its background work."""
    time.sleep(1)
    return int(rt.redis.info("memory")["used_memory"])

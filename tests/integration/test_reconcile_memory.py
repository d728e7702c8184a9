"""Many orders compared in bounded memory; the orders are generated as they are read."""

from __future__ import annotations

import os
import resource
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from pydantic import BaseModel

from schemas.order import Address, Customer, Line, Order, Status, Totals
from worker.reconcile.run import Run, RunOptions
from worker.systems.dropday.view import order_view
from worker.systems.provider import Page, Provider, Record
from worker.systems.target import Receipt, Target

if TYPE_CHECKING:
    from support.settings_texts import Configured
    from worker.systems.view import Side, View

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
#: One order in this many has the fault.
MISSING, DOUBLED, CHANGED, EXTRA = 1009, 1013, 1019, 1021


class Shop(Provider):
    """A provider with pages of 100 orders, each generated from its number."""

    kind: ClassVar[str] = "made-up"
    Options: ClassVar[type[BaseModel]] = BaseModel
    default_limit, documented_limit, default_poll_every = "10/s", None, 60.0
    count = 0

    def start(self, since: datetime) -> str:
        return str(self.count if since > SINCE + timedelta(days=200) else 0)

    def fetch(self, cursor: str) -> Page:
        first = int(cursor)
        last = min(first + 100, self.count)
        records = [record for n in range(first, last) for record in self.records(n)]
        return Page(records, str(last), more=last < self.count)

    def records(self, n: int) -> list[Record]:
        return [Record({"id": str(n), "of": str(n)})]

    def fetch_one(self, external_id: str) -> Record | None:
        return next(iter(self.records(int(external_id))), None) if int(external_id) < self.count else None

    def normalize(self, record: Record) -> Order:
        n, city = int(record.raw["of"]) % 10**6, record.raw.get("city", "Utrecht")
        lines = tuple(
            Line(name=f"Goods {n} {k}", sku=f"S{k}", quantity=Decimal(k), unit_price=Decimal(n % 99)) for k in (1, 2, 3)
        )
        address = Address(
            first_name="A", last_name=f"B{n}", street1=f"Street {n}", city=city, postal_code="1", country="NL"
        )
        totals, customer = Totals(grand=Decimal(n)), Customer(email=f"{n}@example.org")
        return Order(
            provider="shop", external_id=record.raw["id"], source_id=record.raw["of"], status=Status.NEW, totals=totals,
            ordered_at=SINCE + timedelta(minutes=n), lines=lines, shipping_address=address, customer=customer,
        )  # fmt: skip

    def check(self) -> None:
        return None


class Account(Shop):
    """The target's account, read as a provider, with the faults."""

    reference_field = "source_id"

    def records(self, n: int) -> list[Record]:
        if n % MISSING == 1:
            return []
        records = [Record({"id": f"1{n:07}", "of": str(n), **({"city": "Ede"} if n % CHANGED == 1 else {})})]
        if n % DOUBLED == 1:
            records.append(Record({"id": f"2{n:07}", "of": str(n)}))
        if n % EXTRA == 1:
            records.append(Record({"id": f"3{n:07}", "of": str(n + 10**6)}))
        return records

    def fetch_one(self, external_id: str) -> Record | None:
        return next((record for record in self.records(int(external_id[1:])) if record.raw["id"] == external_id), None)


class Warehouse(Target):
    kind: ClassVar[str] = "made-up"
    Options: ClassVar[type[BaseModel]] = BaseModel
    default_limit, documented_limit, settles = "10/s", None, True

    def create(self, order: Order, reference: str) -> Receipt:
        raise AssertionError(reference)

    def find(self, reference: str) -> Receipt | None:
        return None if int(reference) % MISSING == 1 else Receipt(reference, existed=True)

    def view(self, order: Order, side: Side) -> View:
        return order_view(order, side, placeholder=None)

    def check(self) -> None:
        return None


def peak() -> float:
    """Return the peak memory of this process, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def compare(configured: Configured, count: int) -> tuple[Any, float]:
    """Compare `count` orders; return the report and the growth of the process in megabytes."""
    until = SINCE + timedelta(minutes=count)
    rt = configured.open()
    with Run(rt, RunOptions("shop", "dropday", SINCE, until, grace=1.0)) as run:
        client: Any = run.sides.source.client
        for side, kind in (("source", Shop), ("reader", Account), ("target", Warehouse)):
            adapter: Any = kind(side, rt.settings.clocks, client)
            adapter.count = count
            setattr(run.sides, side, adapter)
        before = peak()
        report = run.compare()
        grown = peak() - before
    faults = (MISSING, CHANGED, DOUBLED, EXTRA)
    counts = {n: len(range(1, count, n)) for n in faults}
    several = len([n for n in range(1, count, MISSING) if n % CHANGED == 1 or n % DOUBLED == 1 or n % EXTRA == 1])
    assert several == 1, "only order 1 has more than one fault"
    names = dict(zip(("missing", "different", "duplicated", "extra"), faults, strict=True))
    expected = {name: counts[n] - (name != "missing") for name, n in names.items()}
    assert {name: report.counts[name] for name in names} == expected
    assert report.counts["source"] == count
    return report, grown


@pytest.mark.repeat
def test_reconcile_finds_every_fault_among_ten_thousand_orders(configured: Configured) -> None:
    """Measure the memory.

    In `make test`, `test_reconcile_finds_every_injected_fault_and_nothing_else` with few orders.
    """
    report, grown = compare(configured, 10_000)
    assert len(report.findings) <= 4 * report.most
    assert grown < 60, f"{grown} MB"


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_hundred_thousand_orders_are_compared_in_bounded_memory(configured: Configured) -> None:
    _, grown = compare(configured, int(os.environ.get("RECONCILE_ORDERS", "100000")))
    print(f"the process grew by {grown:.0f} MB", file=sys.stderr)
    assert grown < 60, f"{grown} MB"

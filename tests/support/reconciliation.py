"""Faults that a test puts into a target, and the report of a reconciliation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from worker.reconcile.run import Run, RunOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.sandbox import Sandbox
    from worker.reconcile.report import Report
    from worker.reconcile.run import Repair
    from worker.runtime import Runtime


def reconcile_pair(
    rt: Runtime, target: str, *, repair: Repair | None = None, share: float = 1.0, hours: float = 3.0
) -> Report:
    """Reconcile the last `hours` without a grace period for new orders."""
    now = datetime.now(UTC)
    options = RunOptions("shop", target, now - timedelta(hours=hours), now + timedelta(minutes=1), share, 0.001, 9999)
    with Run(rt, options) as run:
        return run.compare(repair)


def references_with(report: Report, fault: str) -> list[str]:
    """Return the references with this fault, sorted."""
    return sorted(finding.reference for finding in report.findings if finding.fault == fault)


def is_clean(report: Report) -> bool:
    """Return whether the report is clean; print its findings and counts."""
    for finding in report.findings:
        print(finding, finding.values)
    print(report.counts)
    return report.clean


def damage_dropday(box: Sandbox, each: int) -> dict[str, list[str]]:
    """Delete, duplicate, change and add `each` orders; return the references for each fault.

    Of an order that is cancelled at its source, only the cancellation is compared: none of these is damaged.
    """
    cancelled = {str(order["id"]) for order in box.orders("retailcrm") if "cancel" in order["status"]}
    active = (order for order in box.orders("dropday") if order["external_id"] not in cancelled)
    orders = sorted(active, key=lambda order: int(order["reference"]))
    parts: list[Sequence[dict[str, Any]]] = [orders[n * each : (n + 1) * each] for n in range(4)]
    deleted, duplicated, changed, copied = parts
    for order in deleted:
        box.change(order["reference"], "dropday", deleted=True)
    for order in duplicated:
        box.add_order(order["posted"], "dropday")
    for number, order in enumerate(changed):
        box.change(order["reference"], "dropday", **_changed_field(order["posted"], number))
    for number, order in enumerate(copied):
        box.add_order(order["posted"] | {"external_id": f"{900_000_000 + number}"}, "dropday")
    return {
        "missing": sorted(order["external_id"] for order in deleted),
        "duplicated": sorted(order["external_id"] for order in duplicated),
        "different": sorted(order["external_id"] for order in changed),
        "extra": sorted(f"{900_000_000 + number}" for number in range(len(copied))),
    }


def _changed_field(posted: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a change of one compared field, chosen by the number; a field that the source lacks is not compared."""
    address, products = posted["shipping_address"], posted["products"]
    changes: list[dict[str, Any]] = [
        {"total": float(posted["total"]) + 0.01},
        {"email": "somebody@else.example"} if posted.get("email") else {"total": float(posted["total"]) - 0.01},
        {"shipping_address": address | {"city": "Elsewhere"}},
        {"shipping_address": address | {"address1": "Elsewhere 1"}},
        {"products": [*products[:-1], products[-1] | {"quantity": products[-1]["quantity"] + 1}]},
        {"products": [*products[:-1], products[-1] | {"price": products[-1]["price"] + 0.01}]},
        {"products": [*products, products[-1]]},
    ]
    return changes[number % len(changes)]

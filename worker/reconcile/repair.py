"""Repair: what a run found missing or different goes the normal way again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from worker.store.orders.ledger import Delivery

if TYPE_CHECKING:
    from schemas.order import Order
    from worker.reconcile.report import Finding
    from worker.reconcile.run import Run
    from worker.store.orders.ledger import Standing

#: States in which an order waits for a person.
_WAITING: Final = frozenset({"held", "in_doubt"})


def repaired(run: Run, finding: Finding, order: Order, seen: Standing) -> str:
    """Let the order go its normal way again, which asks the target before it creates; answers what was done.

    Doubled and extra orders are never touched.
    """
    rt, target = run.rt, run.wish.target
    source = f"reconcile {run.wish.provider}"
    delivery = Delivery(order, finding.reference)
    if seen.state in _WAITING:
        return f"it is {seen.state} for a person: intake show {order.key}"
    if finding.fault == "missing":
        if not seen.state:
            change = rt.on_change(run.wish.provider, target)
            done = rt.ledger.accept(target, [delivery], source, ask="always", on_change=change).results[0]
        else:
            done = rt.ledger.resend(target, delivery, "create", seen=seen, source=source)
    elif rt.on_change(run.wish.provider, target) != "update":
        return f"{target} takes no changes from {run.wish.provider}: mend it there by hand"
    else:
        (target_id,) = finding.target_ids
        done = rt.ledger.resend(target, delivery, "update", seen=seen, source=source, target_id=target_id)
    if done not in {"new", "queued"}:
        return "it moved meanwhile: the next run tells"
    run.report.counts["queued"] += 1
    return "queued"

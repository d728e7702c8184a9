"""Repair: deliver again the orders that a run found missing or different."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from worker.reconcile.edited import to_write
from worker.store.orders.corrections import Stored

if TYPE_CHECKING:
    from worker.reconcile.report import Finding
    from worker.reconcile.run import Run
    from worker.store.orders.delivery import Delivery
    from worker.store.orders.ledger import Standing

#: The states in which an order waits for a person.
_WAITING: Final = frozenset({"held", "in_doubt"})


def requeue(run: Run, finding: Finding, routed: Delivery, standing: Standing) -> str:
    """Queue the order again; the target is asked for it before it is created. Return what was done.

    Duplicated and extra orders are never touched.
    """
    rt, target = run.rt, run.options.target
    source = f"reconcile {run.options.provider}"
    delivery = replace(routed, reference=finding.reference)
    if standing.corrected and routed.corrections is None:
        if finding.fault != "missing":
            return "a person corrected it, and the correction is no longer kept: compare it by hand"
        delivery = replace(delivery, corrections=Stored("", {}))
    if standing.state in _WAITING:
        return f"it is {standing.state} for a person: intake show {routed.order.key}"
    if finding.fault == "missing":
        if not standing.state:
            change = rt.on_change(run.options.provider, target)
            updates = rt.targets[target].updates
            results = rt.ledger.accept(
                target, [delivery], source, ask="always", on_change=change, updates=updates
            ).results
            outcome = results[0]
        else:
            outcome = rt.ledger.resend(target, delivery, "create", seen=standing, source=source)
    elif not rt.targets[target].updates or rt.on_change(run.options.provider, target) != "update":
        return f"{target} accepts no changes from {run.options.provider}: correct it there by hand"
    else:
        (target_id,) = finding.target_ids
        sent = to_write(finding.fields, bytes.fromhex(standing.sent_fields))
        outcome = rt.ledger.resend(
            target, delivery, "update", seen=standing, source=source, target_id=target_id, sent_fields=sent
        )
    if outcome not in {"new", "queued"}:
        return "it changed meanwhile: compare it again"
    run.report.counts["queued"] += 1
    return "queued"

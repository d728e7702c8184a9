"""Read the report of a period: the counters of its days, and the present state."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from worker.operations.report.figures import Figures
from worker.operations.report.page import Report
from worker.operations.report.waiting import waiting_orders
from worker.settings.reconcile import pairs_of
from worker.store.orders.days import Days
from worker.watch.judgements import judge
from worker.watch.snapshot import take_snapshot

if TYPE_CHECKING:
    from datetime import date

    from worker.runtime import Runtime


def shops(rt: Runtime) -> list[str]:
    """Return the providers and the producers: whoever orders come from."""
    return list(dict.fromkeys([*rt.settings.providers, *rt.settings.producers]))


def read(rt: Runtime, first: date, last: date, shop: str = "") -> Report:
    """Read the report of a period, of all orders or of those of one shop."""
    snapshot, days = take_snapshot(rt), Days(rt.redis)
    pairs = pairs_of(rt.settings.routes, rt.settings.providers)
    targets = rt.settings.targets_of(shop) if shop else list(rt.settings.targets)
    orders = list(waiting_orders(rt, shop))
    return Report(
        figures=Figures(days.read(targets, first, last), shop),
        first=first,
        last=last,
        now=datetime.fromtimestamp(snapshot.now, UTC),
        counted_since=days.first_counted(),
        needs=[need for need in judge(snapshot, rt.settings) if not shop or need.subject in {shop, *targets}],
        orders=orders,
        compared={pair: snapshot.reports.get(pair) for pair in pairs if shop in {"", pair[0]}},
        waiting=len(orders) if shop else sum(lane.dead + lane.in_doubt + lane.held for lane in snapshot.lanes.values()),
        console=rt.settings.web.url and rt.settings.web.url.rstrip("/"),
    )

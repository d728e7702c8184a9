"""Reconcile on a schedule: compare a provider with a target within a share of the limits, and save the counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from tasks.summary import NeedsPerson, Summary
from worker.app import RECONCILE_LIMIT, app
from worker.errors import IntakeError
from worker.reconcile.run import Run, RunOptions, grace_of
from worker.runtime import Runtime, confirmed_runtime

if TYPE_CHECKING:
    from worker.reconcile.report import Report

log = structlog.get_logger()

#: Findings of each fault that the report keeps, for the console.
_MOST = 100


@app.task(name="tasks.reconcile", time_limit=RECONCILE_LIMIT, throws=(NeedsPerson,))
def reconcile_pair(provider: str, target: str) -> Summary:
    """Run `reconcile` as a Celery task."""
    rt = confirmed_runtime()
    pair = rt.settings.ledger_provider(provider), rt.settings.ledger_target(target)
    summary = Summary(" and ".join(pair))
    report = reconcile(rt, *pair)
    if report is None:
        summary.notes.append("not compared: it runs already, or failed")
    elif report.clean:
        summary.notes.append("no difference")
    else:
        summary.counts.update(report.counts)
        summary.needs(f"intake reconcile {' '.join(pair)}")
    return summary.conclude()


def reconcile(rt: Runtime, provider: str, target: str) -> Report | None:
    """Compare the provider with the target over the range in the settings.

    Return None if the comparison failed, or if another process compares the same pair. Neither side is changed:
    repairing a difference is left to an operator.
    """
    settings = rt.settings.reconcile
    now = datetime.fromtimestamp(rt.cursors.now() / 1000, UTC)
    since = now - timedelta(seconds=settings.range)
    options = RunOptions(provider, target, since, now, share=settings.share, grace=grace_of(rt, provider), most=_MOST)
    with rt.reports.try_lock(provider, target) as locked:
        if not locked:
            log.info("reconcile.skipped", provider=provider, target=target, reason="it runs already")
            return None
        try:
            with Run(rt, options) as run:
                report = run.compare()
        except IntakeError as error:
            rt.reports.save(provider, target, {}, error=f"{error.code}: {error}")
            log.error("reconcile.failed", provider=provider, target=target, code=error.code, reason=str(error))
            return None
        rt.reports.save(provider, target, report.counts, findings=[each.as_json() for each in report.findings])
    write = log.info if report.clean else log.warning
    write("reconcile.finished", provider=provider, target=target, counts=report.counted())
    return report

"""Reconcile by night: compare a pair within a share of the limits, and keep what was found."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from worker.app import RECONCILE_LIMIT, app
from worker.errors import IntakeError
from worker.reconcile.run import Run, RunOptions, grace_of
from worker.runtime import Runtime, runtime

if TYPE_CHECKING:
    from worker.reconcile.report import Report

log = structlog.get_logger()


@app.task(name="tasks.reconcile", time_limit=RECONCILE_LIMIT)
def reconcile_pair(provider: str, target: str) -> None:
    """Celery's door to `reconcile`."""
    reconcile(runtime(), provider, target)


def reconcile(rt: Runtime, provider: str, target: str) -> Report | None:
    """Compare the pair over the range of the settings; None if somebody else does, or it could not be done.

    Nothing is written to either side: what is found is for a person, who may repair it.
    """
    wanted = rt.settings.reconcile
    now = datetime.fromtimestamp(rt.cursors.now() / 1000, UTC)
    since = now - timedelta(seconds=wanted.range)
    wish = RunOptions(provider, target, since, now, share=wanted.share, grace=grace_of(rt, provider))
    with rt.reports.try_lock(provider, target) as alone:
        if not alone:
            log.info("reconcile.skipped", provider=provider, target=target, reason="it runs already")
            return None
        try:
            with Run(rt, wish) as run:
                report = run.compare()
        except IntakeError as error:
            rt.reports.save(provider, target, {}, error=f"{error.code}: {error}")
            log.error("reconcile.failed", provider=provider, target=target, code=error.code, reason=str(error))
            return None
        rt.reports.save(provider, target, report.counts)
    told = log.info if report.clean else log.warning
    told("reconcile.finished", provider=provider, target=target, counts=report.counted())
    return report

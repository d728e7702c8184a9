"""`intake report`: a period as one page for a merchant."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worker.cli.options import open_runtime, parse_since, redis_time, resolve_time
from worker.cli.report.figures import Figures
from worker.cli.report.page import Report, page
from worker.cli.report.waiting import waiting_orders
from worker.cli.results import say
from worker.operations.examples import examples
from worker.settings.reconcile import pairs_of
from worker.store.orders.days import Days
from worker.watch.judgements import judge
from worker.watch.snapshot import take_snapshot

if TYPE_CHECKING:
    from datetime import date

    from worker.runtime import Runtime

_DAY = timedelta(days=1)


def span(first: datetime | timedelta, until: datetime | timedelta | None, now: datetime) -> tuple[date, date]:
    """Return the first and the last day of the period; `7d` is seven days including today.

    Raises UsageError for a period without a day.
    """
    end = now if until is None else resolve_time(until, now)
    last = (min(end, now) - timedelta(microseconds=1)).date()
    begin = last - (math.ceil(first / _DAY) - 1) * _DAY if isinstance(first, timedelta) else first.date()
    if begin > last:
        raise click.UsageError(f"--since {begin} is after the last day, {last}")
    return begin, last


def read(rt: Runtime, first: date, last: date) -> Report:
    """Read the counters of the days and the present state."""
    snapshot, days = take_snapshot(rt), Days(rt.redis)
    return Report(
        figures=Figures(days.read(rt.settings.targets, first, last)),
        first=first,
        last=last,
        now=datetime.fromtimestamp(snapshot.now, UTC),
        counted_since=days.first_counted(),
        needs=judge(snapshot, rt.settings),
        orders=list(waiting_orders(rt)),
        compared={pair: snapshot.reports.get(pair) for pair in pairs_of(rt.settings.routes, rt.settings.providers)},
        waiting=sum(lane.dead + lane.in_doubt + lane.held for lane in snapshot.lanes.values()),
        console=rt.settings.web.url and rt.settings.web.url.rstrip("/"),
    )


@click.command("report", epilog=examples("intake report --since 30d --out november.html"))
@click.option(
    "--since",
    "first",
    callback=parse_since,
    default="7d",
    show_default=True,
    help="First day, or a number of days (7d).",
)
@click.option("--until", callback=parse_since, help="Day after the last one: 2026-12-01. Default: now.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default="report.html", show_default=True,
              help="File to write; - for standard output.")  # fmt: skip
def command(first: datetime | timedelta, until: datetime | timedelta | None, out: Path) -> None:
    """Write a report of a period as one HTML page.

    The page is for people without a terminal. It contains no personal data.
    """
    rt = open_runtime(offline=True)
    begin, last = span(first, until, redis_time(rt))
    text = page(read(rt, begin, last))
    if str(out) == "-":
        click.echo(text, nl=False)
        return
    out.write_text(text, encoding="utf-8")
    say(f"{out}: {begin} to {last}. Open it in a browser, print it, or e-mail it.")

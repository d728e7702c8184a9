"""`intake report`: a period as one page for a merchant."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worker.cli.options import open_runtime, parse_since, redis_time, require_name, resolve_time
from worker.cli.results import say
from worker.operations.examples import examples
from worker.operations.report.page import page
from worker.operations.report.read import read, shops

if TYPE_CHECKING:
    from datetime import date

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
@click.option("--shop", default="", metavar="NAME", help="Count the orders of this provider only.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default="report.html", show_default=True,
              help="File to write; - for standard output.")  # fmt: skip
def command(first: datetime | timedelta, until: datetime | timedelta | None, shop: str, out: Path) -> None:
    """Write a report of a period as one HTML page.

    The page is for people without a terminal. It contains no personal data.
    """
    rt = open_runtime(offline=True)
    begin, last = span(first, until, redis_time(rt))
    if shop:
        shop = rt.settings.ledger_provider(shop)
        require_name(shop, "shop", shops(rt))
    text = page(read(rt, begin, last, shop))
    if str(out) == "-":
        click.echo(text, nl=False)
        return
    out.write_text(text, encoding="utf-8")
    say(f"{out}: {begin} to {last}. Open it in a browser, print it, or e-mail it.")

"""`intake poll`: poll a provider now, or show what that would do."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import click

from tasks.poll import poll
from worker.app import nudge
from worker.cli.feeds.cursor_words import moment
from worker.cli.feeds.rehearsal import Rehearsal
from worker.cli.options import known, opened, parse_since, redis_time, resolve_since
from worker.cli.times import clock
from worker.telemetry import log

if TYPE_CHECKING:
    from worker.cli.feeds.rehearsal import Shown, Told
    from worker.runtime import Runtime

#: Orders and writes of each target that are shown, where not all are asked for.
_SOME: Final = 20


@click.command("poll")
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Read, show what would be sent to whom, and touch nothing.")
@click.option("--limit", "pages", type=click.IntRange(1), help="Pages at most; with --dry-run 1 unless said.")
@click.option(
    "--since", "wish", callback=parse_since, metavar="DATE", help="With --dry-run: from there, not the cursor."
)
@click.option("--show", default=1, type=click.IntRange(0), help="Writes of each target shown whole: personal data. [1]")
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: everything, as JSON. Personal data.")
def command(name: str, **options: Any) -> None:
    """Poll provider NAME now, even after a failure; --dry-run shows it only, by reading from both sides."""
    rt = opened()
    log.configure("error", rt.settings.log.format)  # what is said of it stands below
    known(name, "provider", rt.settings.providers)
    if options["dry_run"]:
        _rehearse(rt, name, options)
    elif options["wish"] is not None or options["as_json"]:
        raise click.UsageError("--since and --json go with --dry-run; to read again: intake cursor set NAME --since")
    else:
        _poll(rt, name, options["pages"] or 0)


def _poll(rt: Runtime, name: str, pages: int) -> None:
    before = rt.cursors.status(name)
    if "paused" in before:
        raise click.ClickException(f"{name} is paused: {before['paused']}. Let it go on: intake resume {name}")
    poll(rt, name, nudge, pages=pages, gap=-1)
    after = rt.cursors.status(name)
    if after.get("started") == before.get("started"):
        raise click.ClickException(f"{name} is polled by another process at this moment. See: intake status")
    if paused := after.get("paused"):
        raise click.ClickException(f"{name} was paused: {paused}. Correct it, then: intake resume {name}")
    if error := after.get("error"):
        raise click.ClickException(f"{name}: {error}. It is tried again by itself. See: intake check")
    records = int(after.get("records", 0)) - int(before.get("records", 0))
    until = moment(after.get("value"))
    upto = f" It is read up to {clock(until.timestamp() * 1000)} UTC." if until else ""
    more = "" if "finished" in after else " More is there, and is read with the next sweep."
    click.echo(f"{name}: {records} records read.{upto}{more}")


def _rehearse(rt: Runtime, name: str, options: dict[str, Any]) -> None:
    now = redis_time(rt)
    cursor, provider = rt.cursors.status(name).get("value"), rt.providers[name]
    if options["wish"] is not None:
        cursor = provider.start(resolve_since(options["wish"], now))
    elif cursor is None:
        cursor = provider.start(now - timedelta(seconds=rt.settings.providers[name].look_back))
    with closing(Rehearsal(rt, name)) as rehearsal:
        pages = rehearsal.pages(cursor, options["pages"] or 1)
        if options["as_json"]:
            click.echo(json.dumps([asdict(told) for told in pages], indent=2, ensure_ascii=False))
            return
        for number, told in enumerate(pages, 1):
            _tell(number, told, options["show"])
    click.echo("Nothing was written: not to Redis (but the calls to its limits), not to anybody.")


def _tell(number: int, told: Told, show: int) -> None:
    click.echo(f"Page {number}, {'more follow' if told.more else 'the last'}:")
    for request in told.reads:
        click.echo("\n".join(_request(request)))
    for (target, what), count in sorted(Counter((it.target, it.what) for it in told.verdicts).items()):
        click.echo(f"  {count:>5}  {what}{f'  ({target})' if target else ''}")
    for verdict in told.verdicts[:_SOME]:
        there = f" → {verdict.target} as {verdict.reference}" if verdict.target else ""
        fields = f", differs in {', '.join(verdict.fields)}" if verdict.fields else ""
        detail = f" ({verdict.detail})" if verdict.detail else ""
        click.echo(f"  {verdict.key}{there}: {verdict.what}{detail}{fields}")
    if len(told.verdicts) > _SOME:
        click.echo(f"  … and {len(told.verdicts) - _SOME} more: --json shows all")
    for target, writes in told.writes.items():
        click.echo(f"To {target}, {len(writes)} writes, the first of each order" + (":" if show else ""))
        for request in writes[:show]:
            click.echo("\n".join(_request(request)))


def _request(request: Shown) -> list[str]:
    """The request as people read it: a form field by field."""
    said = [f"  {request.method} {request.url}", *(f"    {key}: {text}" for key, text in request.headers.items())]
    kind = next((text for name, text in request.headers.items() if name.lower() == "content-type"), "")
    if kind == "application/x-www-form-urlencoded":
        return said + [f"    {key} = {text}" for key, text in parse_qsl(request.body, keep_blank_values=True)]
    return said + ([f"    {request.body}"] if request.body else [])

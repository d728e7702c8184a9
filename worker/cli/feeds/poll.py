"""`intake poll`: poll a provider now, or show what that would do."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click

from tasks.poll import poll
from worker.app import nudge
from worker.cli.feeds.rehearsal import Rehearsal
from worker.cli.options import open_runtime, parse_since, provider_of, redis_time, resolve_since
from worker.cli.results import say
from worker.durations import count_of
from worker.operations.acting import acting, recorded
from worker.operations.cursor_words import cursor_time
from worker.operations.examples import examples
from worker.operations.times import utc_text
from worker.telemetry import log

if TYPE_CHECKING:
    from worker.cli.feeds.rehearsal import PagePreview
    from worker.runtime import Runtime

#: Orders shown per page, without --json.
_SHOWN: Final = 20


@click.command("poll", epilog=examples("intake poll shop-nl --dry-run", "intake poll shop-nl --limit 1"))
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Read, show what would be sent, and change nothing.")
@click.option("--limit", "pages", type=click.IntRange(1), help="Maximum number of pages; with --dry-run 1 by default.")
@click.option(
    "--since", "wish", callback=parse_since, metavar="DATE", help="With --dry-run: start here, not at the cursor."
)
@click.option("--show", default=1, type=click.IntRange(0), help="Requests shown in full per target (1): personal data.")
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: print everything as JSON. Personal data.")
@acting
def command(name: str, **options: Any) -> None:
    """Poll a provider now, or preview a poll.

    NAME is polled even after a failure. With --dry-run, the command only reads, and shows what a poll would do.
    """
    rt = open_runtime(confirmed=not options["dry_run"])
    log.configure("error", rt.settings.log.format)  # the result is printed instead
    name = provider_of(rt, name)
    if options["dry_run"]:
        _rehearse(rt, name, options)
    elif options["wish"] is not None or options["as_json"]:
        raise click.UsageError("--since and --json need --dry-run; to read again: intake cursor set NAME --since DATE")
    else:
        _poll(rt, name, options["pages"] or 0)


def _poll(rt: Runtime, name: str, pages: int) -> None:
    rt.installation.confirm()
    before = rt.cursors.status(name)
    if "paused" in before:
        raise click.ClickException(f"{name} is paused: {before['paused']}. Next: intake resume {name}")
    with recorded(rt, name, limit=pages):
        poll(rt, name, nudge, pages=pages, gap=-1)
    after = rt.cursors.status(name)
    if after.get("started") == before.get("started"):
        raise click.ClickException(f"another process is polling {name} now. Next: intake status")
    if paused := after.get("paused"):
        raise click.ClickException(f"{name} was paused: {paused}. Fix the cause, then: intake resume {name}")
    if error := after.get("error"):
        raise click.ClickException(f"{name}: {error}. The poll is retried automatically. Next: intake check")
    records = int(after.get("records", 0)) - int(before.get("records", 0))
    until = cursor_time(after.get("value"))
    upto = f" Everything is read up to {utc_text(until.timestamp() * 1000)} UTC." if until else ""
    more = "" if "finished" in after else " There are more; the next sweep reads them."
    say(f"{name}: {count_of(records, 'record')} read.{upto}{more}")


def _rehearse(rt: Runtime, name: str, options: dict[str, Any]) -> None:
    now = redis_time(rt)
    cursor, provider = rt.cursors.status(name).get("value"), rt.providers[name]
    if options["wish"] is not None:
        cursor = provider.start(resolve_since(options["wish"], now))
    elif cursor is None:
        cursor = rt.first_cursor(name)
    with closing(Rehearsal(rt, name)) as rehearsal:
        pages = rehearsal.pages(cursor, options["pages"] or 1)
        if options["as_json"]:
            click.echo(json.dumps([asdict(page) for page in pages], indent=2, ensure_ascii=False))
            return
        for number, page in enumerate(pages, 1):
            _print_page(number, page, options["show"])
    say("Nothing was written. The calls count towards the rate limits.")


def _print_page(number: int, page: PagePreview, show: int) -> None:
    click.echo(f"Page {number}, {'more follow' if page.more else 'the last'}:")
    for request in page.reads:
        click.echo("\n".join(request.lines()))
    outcomes = Counter((order.target, order.what) for order in page.verdicts)
    for (target, outcome), count in sorted(outcomes.items()):
        say(f"  {count:>5}  {outcome}{f'  ({target})' if target else ''}")
    for order in page.verdicts[:_SHOWN]:
        destination = f" → {order.target} as {order.reference}" if order.target else ""
        fields = f", differs in {', '.join(order.fields)}" if order.fields else ""
        detail = f" ({order.detail})" if order.detail else ""
        say(f"  {order.key}{destination}: {order.what}{detail}{fields}", "      ")
        for change in order.changes:
            say(f"      transform {change.field}: {change.before} → {change.after}", "        ")
    if len(page.verdicts) > _SHOWN:
        click.echo(f"  … and {len(page.verdicts) - _SHOWN} more: --json shows all")
    for target, writes in page.writes.items():
        click.echo(f"To {target}, {len(writes)} writes, the first of each order" + (":" if show else ""))
        for request in writes[:show]:
            click.echo("\n".join(request.lines()))

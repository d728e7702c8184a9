"""`intake backfill`: read a range of a provider again, and show the progress."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import click
from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeElapsedColumn

from tasks.accept import route_order
from worker.app import nudge
from worker.cli.options import (
    confirm_or_abort,
    open_runtime,
    parse_since,
    provider_of,
    redis_time,
    resolve_since,
    resolve_time,
)
from worker.cli.progress import TextColumn
from worker.cli.results import console, say
from worker.durations import count_of
from worker.errors import IntakeError, PermanentError
from worker.operations.acting import acting, recorded
from worker.operations.backfill_words import backfill_progress
from worker.operations.examples import examples
from worker.reconcile.sides import read, walk
from worker.store.limits.limiter import use_spare_slots

if TYPE_CHECKING:
    from datetime import datetime

    from schemas.order import Order
    from worker.cli.display import Display
    from worker.runtime import Runtime


def _line(state: dict[str, Any]) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in sorted(state["counts"].items()))
    reason = state["error"] or (state["waits"] if state["state"] == "running" else None)
    text = f"{state['state']}: {count_of(state['records'], 'record')} read ({counts or 'none yet'})"
    return f"{text}; {reason}" if reason else text


def _watch(rt: Runtime, name: str, screen: Display) -> None:
    """Show the progress until all is read and sent, or the backfill is stopped. Ctrl-C stops only the display."""
    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(36),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, TimeElapsedColumn(), console=screen) as bars:
        reading = bars.add_task(f"reading {name}", total=1.0, note="")
        sending: dict[str, Any] = {}
        while (state := backfill_progress(rt, name)) is not None:
            bars.update(reading, completed=state["read"], note=_line(state))
            queued = sum(state["counts"].get(result, 0) for result in ("new", "revived", "updating"))
            for target, waiting in state["waiting"].items():
                if target not in sending:
                    sending[target] = bars.add_task(f"sending to {target}", total=None, note="")
                total = max(queued, waiting)
                sent, note = total - waiting or (not total), f"{waiting} wait"
                bars.update(sending[target], total=max(total, 1), completed=sent, note=note)
            if state["state"] == "stopped" or (state["state"] == "finished" and not any(state["waiting"].values())):
                return
            time.sleep(1)


def _preview(rt: Runtime, name: str, since: datetime, until: datetime) -> Counter[str]:
    """Count by target what the backfill would do, without writing anything."""
    counts: Counter[str] = Counter()
    with use_spare_slots(), Progress(TextColumn("{task.completed} records read"), console=console(err=True)) as bar:
        task = bar.add_task(name, total=None)
        for records in walk(rt.providers[name], since):
            for record in records:
                order = read(rt.providers[name], record)
                if order is None:
                    counts["unreadable"] += 1
                elif since <= order.ordered_at < until and not rt.is_echo(order):
                    counts.update(_outcomes(rt, order))
            bar.advance(task, len(records))
    return counts


def _outcomes(rt: Runtime, order: Order) -> set[str]:
    outcomes = set()
    for target, delivery in route_order(rt, order):
        if isinstance(delivery, PermanentError):
            outcomes.add(f"{target}: {delivery}")
            continue
        if not delivery.wanted:
            continue
        standing = rt.ledger.standing(target, order.key)
        [corrected] = rt.ledger.corrected(target, [delivery])
        same = standing.fingerprint == corrected.fingerprint
        outcome = "new" if not standing.state else "known, the same" if same else "known, changed"
        outcomes.add(f"{target}: {outcome}")
    return outcomes


def _begin(rt: Runtime, name: str, since: datetime, until: datetime, *, yes: bool) -> None:
    targets = ", ".join(rt.settings.targets_of(name))
    action = f"Read orders of {name} placed from {since:%Y-%m-%d %H:%M} until {until:%Y-%m-%d %H:%M} UTC again"
    confirm_or_abort(f"{action}, and send missing orders to {targets}?", yes=yes)
    with recorded(rt, name, since=f"{since:%Y-%m-%d %H:%M} UTC", until=f"{until:%Y-%m-%d %H:%M} UTC"):
        if not rt.backfills.begin(name, since, until):
            raise click.ClickException(
                f"another range of {name} is being read. Next: intake backfill {name}, or intake backfill {name} --stop"
            )
    nudge("backfill", name)


def _range(rt: Runtime, options: dict[str, Any]) -> tuple[datetime, datetime] | None:
    """Return the range of `--since` and `--until`, which is this minute by default; None without `--since`."""
    if options["since"] is None:
        return None
    now = redis_time(rt)
    since = resolve_since(options["since"], now)
    until = resolve_time(options["until"] or now.replace(second=0, microsecond=0), now)
    if until <= since:
        raise click.ClickException("--until must be after --since")
    return since, until


def _print_progress(rt: Runtime, name: str, *, as_json: bool, watch: bool) -> None:
    state = backfill_progress(rt, name)
    if state is None:
        raise click.ClickException(f"{name} has no backfill. Next: intake backfill {name} --since 7d")
    if as_json:
        click.echo(json.dumps(state, indent=2))
    elif watch and sys.stderr.isatty():
        _watch(rt, name, console(err=True))
    else:
        say(_line(state))


@click.command(
    "backfill",
    epilog=examples(
        "intake backfill shop-nl --since 2026-03-01 --until 2026-04-01 --dry-run", "intake backfill shop-nl"
    ),
)
@click.argument("name")
@click.option("--since", callback=parse_since, help="Orders placed since this time: 2026-03-01, or 7d.")
@click.option("--until", callback=parse_since, help="Orders placed before this time. Default: now.")
@click.option("--dry-run", is_flag=True, help="Read and count, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--stop", is_flag=True, help="Stop reading. Accepted orders are still sent.")
@click.option("--resume", is_flag=True, help="Continue a stopped backfill.")
@click.option("--json", "as_json", is_flag=True, help="Print the progress as JSON and exit.")
@acting
def command(name: str, **options: Any) -> None:
    """Read a range of a provider again.

    The workers read it after all live work, also after a restart. The cursor of the polls does not move. Without
    --since, the command shows the progress; Ctrl-C stops only the display.
    """
    rt = open_runtime(confirmed=True)
    name = provider_of(rt, name)
    span = _range(rt, options)
    if options["dry_run"]:
        if span is None:
            raise click.UsageError("--dry-run needs --since")
        try:
            counts = _preview(rt, name, *span)
        except IntakeError as error:
            raise click.ClickException(f"{name} could not be read: {error}") from None
        lines = [f"{count:>8}  {outcome}" for outcome, count in sorted(counts.items())]
        for line in lines or ["There is nothing to read."]:
            say(line)
        return
    state = backfill_progress(rt, name)
    if options["stop"] and state and state["state"] == "running":
        with recorded(rt, name, stop=True):
            rt.backfills.pause(name, "stopped")
    elif options["resume"] and state:
        with recorded(rt, name, resume=True):
            rt.backfills.resume(name)
        nudge("backfill", name)
    elif span is not None:
        _begin(rt, name, *span, yes=options["yes"])
    _print_progress(rt, name, as_json=options["as_json"], watch=not options["stop"])

"""`intake backfill`: have a provider's range read again, and see how far that is."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from worker.app import nudge
from worker.cli.options import go_on, parse_since, redis_time, resolve_since, resolve_time
from worker.errors import IntakeError, Rejected
from worker.reconcile.sides import read, walk
from worker.runtime import Runtime, read_settings
from worker.store.limits.limiter import use_spare_slots
from worker.systems.references import encode

if TYPE_CHECKING:
    from schemas.order import Order


def progress(rt: Runtime, name: str) -> dict[str, Any] | None:
    """How far the backfill of a provider is, as plain data; None if there never was one.

    `read` is the part of the range that was read (0 to 1), by the times at which the orders were placed that it has
    seen; `waiting` counts the orders of backfills by target, this one's among them.
    """
    known = rt.backfills.status(name)
    if "since" not in known:
        return None
    since, until = int(known["since"]), int(known["until"])
    seen = int(known["last"]) - int(known["first"]) if "first" in known else 0
    finished = "finished" in known
    targets = dict.fromkeys(to for route in rt.settings.routes if route.source == name for to in route.targets)
    return {
        "state": "finished" if finished else "stopped" if "paused" in known else "running",
        "since": datetime.fromtimestamp(since / 1000, UTC).isoformat(),
        "until": datetime.fromtimestamp(until / 1000, UTC).isoformat(),
        "read": 1.0 if finished else min(0.99, seen / (until - since)),
        "records": int(known.get("records", 0)),
        "counts": {key.removeprefix("n_"): int(value) for key, value in known.items() if key.startswith("n_")},
        "waiting": {target: rt.lanes[target].count_bulk() for target in targets},
        "waits": known.get("waits"),
        "error": known.get("error"),
    }


def _line(found: dict[str, Any]) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in sorted(found["counts"].items()))
    why = found["error"] or (found["waits"] if found["state"] == "running" else None)
    return f"{found['state']}: {found['records']} records read ({counts or 'nothing yet'})" + (
        f"; {why}" if why else ""
    )


def _watch(rt: Runtime, name: str, console: Console) -> None:
    """Show it until all of it is read and sent, or it is stopped; Ctrl-C ends the showing alone."""
    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(36),
        TaskProgressColumn(),
        TextColumn("{task.fields[told]}"),
    )
    with Progress(*columns, TimeElapsedColumn(), console=console) as bars:
        reading = bars.add_task(f"reading {name}", total=1.0, told="")
        sending: dict[str, Any] = {}
        while (found := progress(rt, name)) is not None:
            bars.update(reading, completed=found["read"], told=_line(found))
            queued = sum(found["counts"].get(what, 0) for what in ("new", "revived", "updating"))
            for target, waiting in found["waiting"].items():
                if target not in sending:
                    sending[target] = bars.add_task(f"sending to {target}", total=None, told="")
                total = max(queued, waiting)
                told = f"{waiting} wait"
                bars.update(sending[target], total=max(total, 1), completed=total - waiting or (not total), told=told)
            if found["state"] != "running" and not any(found["waiting"].values()):
                return
            if found["state"] == "stopped":
                return
            time.sleep(1)


def _dry(rt: Runtime, name: str, since: datetime, until: datetime) -> Counter[str]:
    """What it would do, counted by target; nothing is written."""
    counts: Counter[str] = Counter()
    with use_spare_slots(), Progress(TextColumn("{task.completed} records read"), console=Console(stderr=True)) as bar:
        told = bar.add_task(name, total=None)
        for records in walk(rt.providers[name], since):
            for record in records:
                order = read(rt.providers[name], record)
                if order is None:
                    counts["cannot be read"] += 1
                elif since <= order.ordered_at < until and not rt.is_echo(order):
                    counts.update(_ways(rt, order))
            bar.advance(told, len(records))
    return counts


def _ways(rt: Runtime, order: Order) -> set[str]:
    told = set()
    for route in rt.settings.routes:
        for target in route.targets if route.source == order.provider and route.wants(order) else ():
            try:
                encode(route.reference_of(order), rt.targets[target].alphabet)
            except Rejected:
                told.add(f"{target}: no reference can be made")
                continue
            known = rt.ledger.standing(target, order.key)
            same = known.fingerprint == order.fingerprint()
            told.add(f"{target}: {'new' if not known.state else 'known, the same' if same else 'known, changed'}")
    return told


def _begin(rt: Runtime, name: str, since: datetime, until: datetime, *, yes: bool) -> None:
    targets = ", ".join(dict.fromkeys(to for it in rt.settings.routes if it.source == name for to in it.targets))
    what = f"Read orders of {name} placed from {since:%Y-%m-%d %H:%M} until {until:%Y-%m-%d %H:%M} UTC again"
    go_on(f"{what}, and send to {targets} what is not there?", yes=yes)
    if not rt.backfills.begin(name, since, until):
        raise click.ClickException(
            f"another range is being read; see it: intake backfill {name}; end it: intake backfill {name} --stop"
        )
    nudge("backfill", name)


def _range(rt: Runtime, given: dict[str, Any]) -> tuple[datetime, datetime] | None:
    """Return the range of `--since` and `--until`, which is this minute by default; None without `--since`."""
    if given["since"] is None:
        return None
    now = redis_time(rt)
    since = resolve_since(given["since"], now)
    until = resolve_time(given["until"] or now.replace(second=0, microsecond=0), now)
    if until <= since:
        raise click.ClickException("--until is not after --since")
    return since, until


def _look(rt: Runtime, name: str, wanted: tuple[datetime, datetime]) -> None:
    try:
        counts = _dry(rt, name, *wanted)
    except IntakeError as error:
        raise click.ClickException(f"it could not be read: {error}") from None
    click.echo("\n".join(f"{count:>8}  {what}" for what, count in sorted(counts.items())) or "nothing is there")


def _tell(rt: Runtime, name: str, *, as_json: bool, watch: bool) -> None:
    found = progress(rt, name)
    if found is None:
        raise click.ClickException(f"{name} has no backfill; begin one: intake backfill {name} --since 7d")
    if as_json:
        click.echo(json.dumps(found, indent=2))
    elif watch and sys.stderr.isatty():
        _watch(rt, name, Console(stderr=True))
    else:
        click.echo(_line(found))


@click.command("backfill")
@click.argument("name")
@click.option("--since", callback=parse_since, help="Orders placed since then: 2026-03-01, or 7d (ago).")
@click.option("--until", callback=parse_since, help="And before then; left out, until now.")
@click.option("--dry-run", is_flag=True, help="Read and count only; nothing is written.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--stop", is_flag=True, help="Read no more; what is accepted already is sent.")
@click.option("--resume", is_flag=True, help="Go on where it was stopped.")
@click.option("--json", "as_json", is_flag=True, help="Print how far it is as JSON, and do not watch.")
def command(name: str, **given: Any) -> None:
    """Have the workers read a range of the provider NAME again, behind all live work.

    Without --since: show how far it is. It goes on over restarts; Ctrl-C ends the showing only. The cursor of the polls
    does not move.
    """
    rt = click.get_current_context().with_resource(Runtime(read_settings()))
    if name not in rt.settings.providers:
        raise click.ClickException(f"{name} is no provider; known are: {', '.join(rt.settings.providers)}")
    wanted = _range(rt, given)
    if given["dry_run"]:
        if wanted is None:
            raise click.UsageError("--dry-run needs --since")
        _look(rt, name, wanted)
        return
    known = progress(rt, name)
    if given["stop"] and known and known["state"] == "running":
        rt.backfills.pause(name, "stopped")
    elif given["resume"] and known:
        rt.backfills.resume(name)
        nudge("backfill", name)
    elif wanted is not None:
        _begin(rt, name, *wanted, yes=given["yes"])
    _tell(rt, name, as_json=given["as_json"], watch=not given["stop"])

"""`intake audit`: who changed what on purpose, when, and on which orders."""

from __future__ import annotations

import csv
import json
import sys
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import click

from worker.cli.options import json_option, open_runtime, parse_since, redis_time, resolve_since
from worker.cli.results import print_rows, say
from worker.operations.cells import cell
from worker.operations.examples import examples
from worker.operations.times import utc_text
from worker.store.audit import read_audit

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from worker.store.audit import Actor, AuditRecord

#: Records shown as a table unless `--limit` says otherwise.
_SHOWN: Final = 20
_COLUMNS: Final = ("at (UTC)", "who", "what", "orders", "result")
#: Order keys named in a cell of the table; of more orders, it shows the number.
_NAMED: Final = 1


def audit_as_json(found: AuditRecord) -> dict[str, Any]:
    """Return a record as plain data."""
    return {
        "id": found.id,
        "at": datetime.fromtimestamp(found.at / 1000, UTC).isoformat(timespec="milliseconds"),
        "actor": found.actor.name,
        "surface": found.actor.surface,
        "origin": found.actor.origin,
        "action": found.action,
        "accounts": list(found.accounts),
        "reason": found.reason,
        "given": dict(found.given),
        "orders": list(found.orders),
        "more_orders": found.more_orders,
        "counts": dict(found.counts),
        "outcome": found.outcome or "not finished",
    }


def _write_csv(records: Iterable[AuditRecord]) -> None:
    writer: csv.DictWriter[str] | None = None
    for found in records:
        row = {name: cell(value) for name, value in audit_as_json(found).items()}
        if writer is None:
            writer = csv.DictWriter(sys.stdout, list(row), lineterminator="\n")
            writer.writeheader()
        writer.writerow(row)


def _row(found: AuditRecord) -> dict[str, str]:
    """Return the cells of a record, and under "detail" the reason and the options."""
    number = len(found.orders) + found.more_orders
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in found.counts.items())
    result = found.outcome or "not finished"
    options = ", ".join(f"{name}: {text}" for name, text in found.given.items())
    return {
        "at (UTC)": utc_text(found.at),
        "who": _who(found.actor),
        "what": " ".join([found.action, *found.accounts]),
        "orders": " ".join(found.orders) if number <= _NAMED else f"{number:,}",
        "result": counts if counts and result == "done" else result,
        "detail": "; ".join(filter(None, (found.reason, options))),
    }


def _who(actor: Actor) -> str:
    """Return the name; and what the name does not say: the surface, or the user of the host."""
    if actor.surface != "cli":
        return f"{actor.name} ({actor.surface})"
    return actor.origin if actor.origin.startswith(f"{actor.name}@") else f"{actor.name} ({actor.origin})"


def _matches(pattern: str, actor: Actor) -> bool:
    names = (actor.name, actor.origin, actor.origin.partition("@")[0])
    return any(fnmatchcase(name.casefold(), pattern.casefold()) for name in names)


@click.command(
    "audit", epilog=examples("intake audit --since 7d", "intake audit --order shop-nl:1001", "intake audit --csv")
)
@click.option(
    "--since", "wish", callback=parse_since, metavar="DATE", help="Limit to acts since this time: 2026-11-20, or 7d."
)
@click.option("--order", metavar="KEY", help="Limit to acts on this order (provider:external_id).")
@click.option("--actor", metavar="NAME", help="Limit to this person; * stands for any text: 'anna*'.")
@click.option(
    "--limit", type=click.IntRange(1), help=f"Number of records, the newest first ({_SHOWN}; all as JSON or CSV)."
)
@click.option("--csv", "as_csv", is_flag=True, help="Print as CSV.")
@json_option
def command(*, wish: datetime | timedelta | None, order: str | None, actor: str | None, **form: Any) -> None:
    """Show who changed what, and when.

    Each command that changes something leaves a record, and so does the console. A record is kept for a year.
    """
    if form["as_csv"] and form["as_json"]:
        raise click.UsageError("use --csv or --json, not both")
    rt = open_runtime(offline=True)
    since = 0 if wish is None else int(resolve_since(wish, redis_time(rt)).timestamp() * 1000)
    records = read_audit(rt.redis, since=since, order=order, matches=lambda who: actor is None or _matches(actor, who))
    if form["as_csv"] or form["as_json"]:
        chosen = islice(records, form["limit"])
        if form["as_csv"]:
            _write_csv(chosen)
        else:
            click.echo(json.dumps([audit_as_json(found) for found in chosen], indent=2))
        return
    most = form["limit"] or _SHOWN
    shown = list(islice(records, most + 1))
    if not shown:
        narrowed = wish is not None or order is not None or actor is not None
        click.echo("No record matches." if narrowed else "Nobody has changed anything yet.")
        return
    print_rows("Acts, the newest first", {name: name for name in _COLUMNS}, map(_row, shown[:most]), "detail")
    if len(shown) > most:
        say(f"There are more. Next: intake audit --limit {most * 10}, or --order KEY, or --csv for all of them")

"""`intake audit`: who changed what on purpose, when, and on which orders."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import click

from worker.cli.options import json_option, open_runtime, parse_since, redis_time, resolve_since
from worker.cli.results import print_rows, say
from worker.operations.audit_words import (
    COLUMNS,
    AuditWish,
    audit_as_json,
    detail_text,
    result_text,
    select_audit,
    who_text,
)
from worker.operations.cells import csv_lines
from worker.operations.examples import examples
from worker.operations.times import utc_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from worker.store.audit import AuditRecord

#: Records shown as a table unless `--limit` says otherwise.
_SHOWN: Final = 20
_SHOWN_COLUMNS: Final = ("at (UTC)", "who", "what", "orders", "result")
#: Order keys named in a cell of the table; of more orders, it shows the number.
_NAMED: Final = 1


def _write_csv(records: Iterable[AuditRecord]) -> None:
    for line in csv_lines(COLUMNS, map(audit_as_json, records)):
        click.echo(line.rstrip("\r\n"))


def _row(found: AuditRecord) -> dict[str, str]:
    """Return the cells of a record, and under "detail" the reason and the options."""
    number = len(found.orders) + found.more_orders
    return {
        "at (UTC)": utc_text(found.at),
        "who": who_text(found.actor),
        "what": " ".join([found.action, *found.accounts]),
        "orders": " ".join(found.orders) if number <= _NAMED else f"{number:,}",
        "result": result_text(found),
        "detail": detail_text(found),
    }


@click.command(
    "audit", epilog=examples("intake audit --since 7d", "intake audit --order shop-nl:1001", "intake audit --csv")
)
@click.option(
    "--since", "wish", callback=parse_since, metavar="DATE", help="Limit to actions since this time: 2026-11-20, or 7d."
)
@click.option("--order", metavar="KEY", help="Limit to actions on this order (provider:external_id).")
@click.option("--actor", metavar="NAME", help="Limit to this person; * stands for any text: 'anna*'.")
@click.option("--what", metavar="TEXT", help="Limit to this action (or part of its name) or account: 'dead'.")
@click.option(
    "--limit", type=click.IntRange(1), help=f"Number of records, newest first ({_SHOWN}; all as JSON or CSV)."
)
@click.option("--csv", "as_csv", is_flag=True, help="Print as CSV.")
@json_option
def command(*, wish: datetime | timedelta | None, **form: Any) -> None:
    """Show who changed what, and when.

    Each command that changes something leaves a record, and so does the console. A record is kept for a year.
    """
    if form["as_csv"] and form["as_json"]:
        raise click.UsageError("use --csv or --json, not both")
    rt = open_runtime(offline=True)
    since = 0 if wish is None else int(resolve_since(wish, redis_time(rt)).timestamp() * 1000)
    criteria: dict[str, Any] = {name: form[name] or "" for name in ("order", "actor", "what")}
    records = select_audit(rt, AuditWish(since=since, **criteria))
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
        narrowed = wish is not None or any(criteria.values())
        click.echo("No record matches." if narrowed else "Nobody has changed anything yet.")
        return
    print_rows("Actions, newest first", {name: name for name in _SHOWN_COLUMNS}, map(_row, shown[:most]), "detail")
    if len(shown) > most:
        say(f"There are more. Next: intake audit --limit {most * 10}, or --order KEY, or --csv for all of them")

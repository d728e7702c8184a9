"""The selection and listing of the orders that wait for a person."""

from __future__ import annotations

import heapq
import json
from collections import Counter, defaultdict
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import click

from worker.cli.options import confirmable, json_option, parse_age, target_of
from worker.cli.results import print_rows, say
from worker.durations import format_duration
from worker.operations.acting import acting
from worker.operations.sentences import summaries
from worker.operations.times import utc_text
from worker.operations.waiting import without_numbers
from worker.store.orders.stuck import Filter, non_empty

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from worker.runtime import Runtime
    from worker.store.orders.stuck import State, StuckOrder

#: The columns of one order or record: the name of a field by its heading. The reason has a line for itself.
_COLUMNS: Final = {"order": "key", "number": "number", "target": "target", "since (UTC)": "since", "code": "code"}
_REASON_COLUMNS: Final = {name: name for name in ("count", "target", "code")}
#: Rows in memory at once, besides the newest.
_AT_ONCE: Final = 500
#: A target, a code, and a reason without its numbers.
Reason = tuple[str, str, str]


def filter_options(command: Any) -> Any:
    """Add the options that select orders."""
    for option in (
        click.option(
            "--newer",
            metavar="AGE",
            callback=parse_age,
            help="Limit to orders that have waited for less than 30m, 2h, 7d.",
        ),
        click.option("--older", metavar="AGE", callback=parse_age, help="Limit to orders that have waited for longer."),
        click.option("--match", "pattern", metavar="PATTERN", help="Limit to keys like 'shop-nl:10*'."),
        click.option("--reason", metavar="TEXT", help="Limit to orders with this text in code or reason."),
        click.option("--provider", metavar="NAME", help="Limit to this provider."),
        click.option("--target", metavar="NAME", help="Limit to this target."),
    ):
        command = option(command)
    return command


def list_options(command: Any) -> Any:
    """Add the options of a list: which orders, how many of them, and in which form."""
    as_json = click.option("--json", "as_json", is_flag=True, help="Print all as JSON.")
    limit = click.option("--limit", default=20, show_default=True, help="Number of orders listed, newest first.")
    return filter_options(limit(as_json(command)))


def action_options(command: Any) -> Any:
    """Add the options of a command that changes orders."""
    return acting(confirmable(json_option(command)))


def filter_from(options: dict[str, Any]) -> Filter:
    """Return the filter that the options describe."""
    fields = ("provider", "reason", "pattern", "older", "newer")
    return Filter(keys=frozenset(options.get("keys", ())), **{name: options[name] for name in fields})


def selected_by(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that select orders, as the audit log keeps them."""
    ages = {name: format_duration(options[name]) for name in ("older", "newer") if options[name] is not None}
    names = {"provider": "provider", "match": "pattern", "matching_reason": "reason", "all": "everything"}
    return {name: options[option] for name, option in names.items()} | ages


def require_filter(options: dict[str, Any]) -> Filter:
    """Return the filter of a command that changes orders; raise UsageError if it selects nothing in particular."""
    names = ("target", "provider", "reason", "pattern", "older", "newer")
    narrowed = any(options[name] is not None for name in names)
    if options["everything"] == bool(options["keys"] or narrowed):
        raise click.UsageError(
            "select orders: keys, --target, --provider, --reason, --match, --older or --newer; or --all"
        )
    return filter_from(options)


def targets_of(rt: Runtime, target: str | None) -> list[str]:
    """Return the named target, or all if none is named; raise UsageError for an unknown one."""
    names = list(rt.settings.targets)
    return names if target is None else [target_of(rt, target)]


def select_orders(rt: Runtime, state: State, target: str | None, selection: Filter) -> Iterator[list[StuckOrder]]:
    """Yield the selected orders in batches; each batch is of one target."""
    for name in non_empty(rt.redis, state, targets_of(rt, target)):
        yield from rt.stuck[name].orders(state, selection)


def row_of(order: StuckOrder) -> dict[str, Any]:
    """Return what may be shown of an order: nothing personal."""
    record = order.record
    return {
        "source": "order",
        "key": order.key,
        "number": "",
        "said": "",
        "target": order.target,
        "reference": record["reference"],
        "since": utc_text(order.since),
        "code": record.get("code", ""),
        "reason": record.get("detail", ""),
        "was_there": "done" in record,
    }


def _add_summaries(rt: Runtime, rows: Iterable[dict[str, Any]]) -> None:
    """Add the number that people know each order by, and what the target said of it, without personal data."""
    by_target: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["source"] == "order":
            by_target[row["target"]].append(row)
    for target, orders in by_target.items():
        for at in range(0, len(orders), _AT_ONCE):
            chunk = orders[at : at + _AT_ONCE]
            for row, summary in zip(chunk, summaries(rt.stuck[target], [row["key"] for row in chunk]), strict=True):
                row["number"] = summary.number
                row["said"] = f"{target} responded: {summary.said}" if summary.said else ""


def print_list(  # noqa: PLR0913  # what is listed, and the options of the list
    rt: Runtime, state: str, rows: Iterable[dict[str, Any]], next_step: str, *, limit: int, as_json: bool, **_: object
) -> None:
    """Print the reasons with their counts, and the newest `limit` rows; only these are kept in memory.

    With `as_json`, print all rows as JSON, with the reasons and their counts.
    """
    if as_json:
        rows = list(rows)
        _add_summaries(rt, rows)
        reasons = _by_reason(Counter(map(_reason_of, rows)))
        click.echo(json.dumps({"count": len(rows), "reasons": reasons, "orders": rows}, indent=2))
        return
    newest: list[dict[str, Any]] = []
    counts: Counter[Reason] = Counter()
    remaining = iter(rows)
    while batch := list(islice(remaining, _AT_ONCE)):
        counts.update(map(_reason_of, batch))
        newest = heapq.nlargest(limit, [*newest, *batch], key=lambda row: row["since"])
    groups = _by_reason(counts)
    if not groups:
        click.echo(f"Nothing is {state}.")
        return
    _add_summaries(rt, newest)
    print_rows("Reasons", _REASON_COLUMNS, groups, "reason")
    click.echo()
    print_rows(f"Newest of {counts.total():,}", _COLUMNS, newest, "reason", "said")
    click.echo()
    say(next_step)


def _reason_of(row: dict[str, Any]) -> Reason:
    return row["target"], row["code"], without_numbers(row["reason"])


def _by_reason(counts: Counter[Reason]) -> list[dict[str, Any]]:
    """Return the reasons with their counts, the most frequent first."""
    return [
        {"count": count, "target": target, "code": code, "reason": reason}
        for (target, code, reason), count in sorted(counts.items(), key=lambda group: (-group[1], group[0]))
    ]

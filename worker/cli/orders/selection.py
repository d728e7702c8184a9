"""How orders that wait for a person are chosen and shown."""

from __future__ import annotations

import heapq
import json
import re
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from worker.durations import parse_duration
from worker.store.orders.stuck import Filter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from worker.runtime import Runtime
    from worker.store.orders.stuck import State, StuckOrder

#: The columns of one order or record: title and name.
COLUMNS = {
    "order": "key",
    "target": "target",
    "since (UTC)": "since",
    "code": "code",
    "reason": "reason",
}


def _age(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    """A length of time in seconds."""
    try:
        return None if value is None else parse_duration(value)
    except ValueError:
        raise click.BadParameter(f'{value} is not a length of time: write "30m", "2h", "7d"') from None


def filters(command: Any) -> Any:
    """Give a command the options by which orders are chosen."""
    for option in (
        click.option("--newer", metavar="AGE", callback=_age, help="Only what waits for less than 30m, 2h, 7d."),
        click.option("--older", metavar="AGE", callback=_age, help="Only what waits for more than that."),
        click.option("--match", "pattern", metavar="PATTERN", help="Only keys like that: 'shop-nl:10*'."),
        click.option("--reason", metavar="TEXT", help="Only those with that in code or reason."),
        click.option("--provider", metavar="NAME", help="Only orders of this provider."),
        click.option("--target", metavar="NAME", help="Only orders for this target."),
    ):
        command = option(command)
    return command


def acting(command: Any) -> Any:
    """Give a command that changes something its usual options."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print it as JSON."),
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--dry-run", is_flag=True, help="Say how many, and touch nothing."),
    ):
        command = option(command)
    return command


def wanted(options: dict[str, Any]) -> Filter:
    """What the options choose."""
    chosen = ("provider", "reason", "pattern", "older", "newer")
    return Filter(keys=frozenset(options.get("keys", ())), **{name: options[name] for name in chosen})


def named(options: dict[str, Any]) -> Filter:
    """What the options of a command that changes something choose; raises UsageError if nothing is named."""
    narrowed = any(options[name] is not None for name in ("target", "provider", "reason", "pattern", "older", "newer"))
    if options["everything"] == bool(options["keys"] or narrowed):
        raise click.UsageError("name orders by their keys, or by --target, --provider, --reason, …, or else --all")
    return wanted(options)


def targets(rt: Runtime, target: str | None) -> list[str]:
    """The target that is named, or all; raises UsageError for one that there is not."""
    if target is not None and target not in rt.settings.targets:
        raise click.UsageError(f"{target} is not a target; known are: {', '.join(rt.settings.targets)}")
    return list(rt.settings.targets) if target is None else [target]


def orders(rt: Runtime, state: State, target: str | None, which: Filter) -> Iterator[list[StuckOrder]]:
    """The orders that are meant, some at a time, each time of one target."""
    for name in targets(rt, target):
        yield from rt.stuck[name].orders(state, which)


def time_of(millis: int) -> str:
    """A moment as it is shown: UTC, to the second."""
    return datetime.fromtimestamp(millis / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def facts(order: StuckOrder) -> dict[str, Any]:
    """What may be said of an order without showing it."""
    record = order.record
    return {
        "source": "order",
        "key": order.key,
        "target": order.target,
        "reference": record["reference"],
        "since": time_of(order.since),
        "code": record.get("code", ""),
        "reason": record.get("detail", ""),
        "was_there": "done" in record,
    }


def groups(told: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """How many wait for the same reason, most frequent first; numbers in a reason make no reason of its own."""
    counts = Counter((one["target"], one["code"], re.sub(r"\d+", "N", one["reason"])) for one in told)
    return [
        {"count": count, "target": target, "code": code, "reason": reason}
        for (target, code, reason), count in sorted(counts.items(), key=lambda group: (-group[1], group[0]))
    ]


def show(what: str, told: Iterable[dict[str, Any]], limit: int, next_step: str) -> None:
    """Print the reasons with their counts, and the newest: no more than `limit` of them are kept for it."""
    newest: list[dict[str, Any]] = []
    grouped = groups(_noted(told, newest, limit))
    if not grouped:
        click.echo(f"Nothing is {what}.")
        return
    reasons = Table("count", "target", "code", "reason", title="Reasons", title_justify="left")
    for group in grouped:
        reasons.add_row(*(escape(str(group[name])) for name in ("count", "target", "code", "reason")))
    title = f"Newest of {sum(group['count'] for group in grouped)}"
    table = Table(*COLUMNS, title=title, title_justify="left")
    for one in newest:
        table.add_row(*(escape(str(one[name])) for name in COLUMNS.values()))
    Console().print(reasons, table)
    click.echo(next_step)


def _noted(told: Iterable[dict[str, Any]], newest: list[dict[str, Any]], limit: int) -> Iterator[dict[str, Any]]:
    """All of them go by; the newest are left in `newest`."""
    for one in told:
        newest.append(one)
        if len(newest) > limit + 500:
            newest[:] = heapq.nlargest(limit, newest, key=lambda it: it["since"])
        yield one
    newest[:] = heapq.nlargest(limit, newest, key=lambda it: it["since"])


def show_json(told: Iterable[dict[str, Any]]) -> None:
    """Print all of them as JSON, with the reasons and their counts."""
    everything = list(told)
    click.echo(json.dumps({"count": len(everything), "reasons": groups(everything), "orders": everything}, indent=2))


def tell(did: dict[str, int], options: dict[str, Any], hint: str = "") -> None:
    """Say what was done, or would be: the first count by its name, the others if there are any."""
    if options["as_json"]:
        click.echo(json.dumps(did | {"dry_run": options["dry_run"]}))
        return
    would = "would be " if options["dry_run"] else ""
    (name, count), *others = did.items()
    said = "".join(f" {number} {what.replace('_', ' ')}." for what, number in others if number)
    click.echo(f"{count} {would}{name.replace('_', ' ')}.{said}{hint if count and not options['dry_run'] else ''}")

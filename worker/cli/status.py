"""`intake status`: what is going on, on one screen."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from worker.reconcile.report import FAULTS
from worker.reconciling import pairs_of
from worker.runtime import Runtime, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType


#: The columns of the inbox: title and name.
INBOX = {
    "waiting": "waiting",
    "being taken": "taken",
    "takers": "takers",
    "jobs so far": "jobs",
    "hints so far": "hints",
    "bad so far": "bad",
    "dead": "dead_now",
}
#: The counted columns of a lane: title and name.
COUNTS = {
    "created": "delivered",
    "was there": "existed",
    "updated": "updated",
    "retried": "retried",
    "held": "held_now",
    "in doubt": "in_doubt_now",
    "dead": "dead_now",
    "changed": "accepted_changed",
}


def snapshot(rt: Runtime) -> dict[str, Any]:
    """Everything the screen shows, as plain data: times in seconds, ages counted on Redis' clock."""
    now = rt.cursors.now()

    def age(known: dict[str, str], name: str) -> float | None:
        return round((now - int(known[name])) / 1000, 1) if name in known else None

    providers = {}
    for name, account in rt.settings.providers.items():
        known = rt.cursors.status(name)
        providers[name] = {
            "kind": account.kind,
            "last_success_s": age(known, "finished") or age(known, "moved"),
            "records": int(known.get("records", 0)),
            "malformed": int(known["malformed"]),
            "hints": rt.fetches.waiting(name),
            "paused": known.get("paused"),
            "error": known.get("error"),
        }
    lanes = {name: lane.status() for name, lane in rt.lanes.items()}
    limits = {name: round(scope.closed(), 1) for name, scope in rt.scopes.items()}
    reports = {f"{provider} > {target}": rt.reports.last(provider, target) for provider, target in _pairs(rt)}
    compared = {pair: {**it, "age_s": round(now / 1000 - it["at"])} for pair, it in reports.items() if it}
    found = {"providers": providers, "inbox": rt.inbox.status(), "lanes": lanes, "limits_closed_s": limits}
    return found | {"reconciled": compared}


def _pairs(rt: Runtime) -> tuple[tuple[str, str], ...]:
    return pairs_of(rt.settings.routes, rt.settings.providers)


def _ago(seconds: float | None) -> str:
    if seconds is None:
        return "never"
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size * 2:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def screen(found: dict[str, Any]) -> RenderableType:
    """The snapshot as tables, with what needs a person below them."""
    providers = Table("provider", "kind", "last success", title="Providers", title_justify="left", expand=True)
    for column in ("records read", "hints waiting", "malformed"):
        providers.add_column(column, justify="right")
    attention: list[str] = []
    for name, it in found["providers"].items():
        counts = (str(it[n]) for n in ("records", "hints", "malformed"))
        providers.add_row(name, it["kind"], _ago(it["last_success_s"]), *counts)
        if it["paused"]:
            attention.append(f"provider {name} is paused: {it['paused']}  →  intake resume {name}")
        elif it["error"]:
            attention.append(f"provider {name}: {it['error']}")
        if it["malformed"]:
            attention.append(
                f"provider {name}: {it['malformed']} records could not be read  →  intake dead list --provider {name}"
            )
    attention += _inbox_attention(found["inbox"])
    lanes = Table("target", title="Lanes", title_justify="left", expand=True)
    for column in ("queued", "in flight", "oldest", *COUNTS):
        lanes.add_column(column, justify="right")
    for name, it in found["lanes"].items():
        oldest = f"{it['oldest_s']} s" if it["queued"] else "-"
        row = [str(it["queued"]), str(it["in_flight"]), oldest, *(str(it.get(n, 0)) for n in COUNTS.values())]
        lanes.add_row(name, *row)
        attention += _lane_attention(name, it)
    attention += _reconciled_attention(found["reconciled"])
    attention += [f"limit {n} is closed for {s} s more" for n, s in found["limits_closed_s"].items() if s]
    told = Text("\n".join(attention), style="yellow") if attention else Text("Nothing needs you.", style="green")
    return Group(providers, _inbox_table(found["inbox"]), lanes, told)


def _lane_attention(name: str, it: dict[str, Any]) -> Iterator[str]:
    if it.get("paused"):
        yield f"lane {name} is paused: {it['paused']}  →  intake resume {name}"
    if it["held_now"]:
        yield f"lane {name}: {it['held_now']} orders are held  →  intake release {name} --dry-run"
    if it["dead_now"]:
        yield f"lane {name}: {it['dead_now']} orders are dead  →  intake dead list --target {name}"
    if it["in_doubt_now"]:
        yield f"lane {name}: {it['in_doubt_now']} orders are in doubt  →  intake doubt list --target {name}"


def _reconciled_attention(reconciled: dict[str, Any]) -> Iterator[str]:
    for pair, it in reconciled.items():
        counts = ", ".join(f"{it['counts'][fault]} {fault}" for fault in FAULTS if it["counts"].get(fault))
        if it["error"] or counts:
            name = pair.replace(" > ", " ")
            what = it["error"] or counts
            yield f"{pair}, compared {_ago(it['age_s'])}: {what}  →  intake reconcile {name} --since 7d"


def _inbox_table(inbox: dict[str, int]) -> Table:
    table = Table(title="Inbox", title_justify="left", expand=True)
    for title in INBOX:
        table.add_column(title, justify="right")
    table.add_row(*(str(inbox.get(name, 0)) for name in INBOX.values()))
    return table


def _inbox_attention(inbox: dict[str, int]) -> Iterator[str]:
    if inbox["waiting"] and not inbox["takers"]:
        yield f"inbox: {inbox['waiting']} jobs wait, and nobody takes them  →  intake listen"
    if inbox["dead_now"]:
        yield f"inbox: {inbox['dead_now']} jobs could not be taken in  →  intake inbox list"


@click.command("status")
@click.option("--watch", is_flag=True, help="Show it again every second until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(*, watch: bool, as_json: bool) -> None:
    """Show providers, lanes and limits on one screen."""
    rt = click.get_current_context().with_resource(Runtime(read_settings()))
    console = Console()
    if as_json:
        click.echo(json.dumps(snapshot(rt), indent=2))
    elif not watch:
        console.print(screen(snapshot(rt)))
    else:
        with Live(screen(snapshot(rt)), console=console, screen=True) as live:
            while True:
                time.sleep(1)
                live.update(screen(snapshot(rt)))

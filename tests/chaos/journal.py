"""The journal of a cell of the crash matrix, judged by the history checker."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from worker.lab.history.judge import judge
from worker.lab.history.routes import Route
from worker.lab.history.verdict import FAULTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worker.http.client import Client

    Entry = dict[str, Any]


def _read(admin: Client, since: int) -> list[Entry]:
    # The client reads numbers as Decimal, which the checker does not write.
    entries: list[Entry] = json.loads(admin.read("/_sandbox/journal", [("since", str(since))]).body)["entries"]
    return entries


def effects(admin: Client) -> list[Entry]:
    """Return every effect so far in all accounts."""
    return [entry for entry in _read(admin, 0) if entry["kind"] == "effect"]


def of_account(admin: Client, name: str, since: int) -> list[Entry]:
    """Return the calls and effects of the accounts with this name, after the line `since`."""
    return [entry for entry in _read(admin, since) if entry.get("account") == name]


def faults(name: str, entries: Iterable[Entry], pushed: int, excused: set[str]) -> list[str]:
    """Judge a cell by its entries alone, and the orders that were pushed, which stand in no journal."""
    added = {"kind": "effect", "system": "producer", "account": "web", "did": "added", "mono": 0.0}
    lines = [*({**added, "reference": number} for number in range(pushed)), *entries]
    routes = [f"retailcrm/{name}=dropday/{name}=shop:{{id}}", f"producer/web=dropday/{name}=web:{{id}}"]
    judged = judge(
        (line | {"run": name} for line in lines), [Route.read(f"{route}=creates-all") for route in routes], excused
    )
    verdict = judged.targets[f"dropday/{name}"]
    return [f"{fault}: {named.first}" for fault in FAULTS if (named := getattr(verdict, fault)).count]


def count_over(entries: Iterable[Entry], rate: int) -> int:
    """Count the calls over the limit: RetailCRM's own count, and ours for Dropday."""
    mine = [entry for entry in entries if entry["kind"] == "request"]
    refused = len([entry for entry in mine if entry["system"] == "retailcrm" and entry["status"] == 503])
    calls = [float(entry["mono"]) for entry in mine if entry["system"] == "dropday"]
    return refused + max(0, max((sum(s <= at < s + 1.0 for at in calls) for s in calls), default=0) - rate)

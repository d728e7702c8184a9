"""The history of one order for one target, as it is printed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from rich.padding import Padding

from schemas.corrections import public_name
from worker.cli.display import Table, line
from worker.operations.next_steps import next_steps
from worker.operations.sentences import sentences
from worker.operations.times import utc_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from worker.cli.display import Display
    from worker.operations.next_steps import NextStep
    from worker.runtime import Runtime
    from worker.store.orders.ledger import Entry

#: An event that names its state, and then the code of the same name.
_REPEATED: Final = re.compile(r"^(\w+) \1\b")
#: The fields of a record that are shown, and their labels.
_LABELS: Final = {"target_id": "id in the target", "tries": "tries", "code": "code", "detail": "reason"}


def delivery_as_json(entry: Entry) -> dict[str, Any]:
    """Return the state and the history of one order for one target as plain data."""
    return {"target": entry.target, "record": entry.record, "history": entry.history}


def print_orders(rt: Runtime, console: Display, key: str, entries: Sequence[Entry]) -> None:
    """Print the history of one order for each target, and what happens next."""
    for entry, step in zip(entries, next_steps(rt, key, entries), strict=True):
        _print_order(console, key, entry, step, corrections_of(rt, key, entry))


def corrections_of(rt: Runtime, key: str, entry: Entry) -> dict[str, str]:
    """Return by field who corrected an order for one target, and when; never a value."""
    if "corrected" not in entry.record:
        return {}
    [stored] = rt.ledger.corrections.of(entry.target, [key])
    return {public_name(path): f"{each.by}, {utc_text(each.at)} UTC" for path, each in stored.by_field.items()}


def _print_order(console: Display, key: str, entry: Entry, step: NextStep, corrections: Mapping[str, str]) -> None:
    record = entry.record
    state = record["state"].replace("_", " ")
    console.print(line((key, "bold"), " → ", (entry.target, "bold"), f"  {state}  (reference {record['reference']})"))
    table = Table("at (UTC)", "what happened", box=None, padding=(0, 2))
    for at, event in entry.history:
        table.add_row(utc_text(at, precise=True), _REPEATED.sub(r"\1:", event))
    if entry.history:
        console.print(table)
    elif "done" in record:
        delivered = utc_text(int(record["done"]), precise=True)
        console.print(f"  delivered {delivered} UTC; its history is no longer kept")
    for name, label in _LABELS.items():
        if record.get(name):
            _print_detail(console, f"{label}: {record[name]}")
    for path, by in corrections.items():
        _print_detail(console, f"corrected: {path} (by {by})")
    for sentence in sentences(record.get("fields", "{}")):
        _print_detail(console, f"{entry.target} responded: {sentence}")
    _print_detail(console, f"next: {step}")


def _print_detail(console: Display, text: str) -> None:
    """Print a line below an order; where it does not fit, all of its lines are indented."""
    console.print(Padding(line(text), (0, 0, 0, 2), expand=False))

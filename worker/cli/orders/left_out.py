"""Orders that no route creates, as they are printed."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from worker.cli.display import line
from worker.operations.left_out import reason_of, remedy_of
from worker.operations.times import utc_text

if TYPE_CHECKING:
    from worker.cli.display import Display
    from worker.runtime import Runtime
    from worker.store.feeds.left_out import Remembered


def left_out_as_json(rt: Runtime, provider: str, found: Remembered) -> dict[str, Any]:
    """Return the order as plain data."""
    return {**asdict(found), "reason": reason_of(found.rule), "next": remedy_of(rt, provider, found)}


def print_left_out(rt: Runtime, console: Display, key: str, found: Remembered) -> None:
    """Print why an order is not created in a target, and what to do."""
    provider, status = key.partition(":")[0], f" (status {found.status_raw})" if found.status_raw else ""
    since = utc_text(found.at * 1000, precise=True)
    console.print(line((key, "bold"), " → ", (found.target, "bold"), f"  left out since {since} UTC"))
    console.print(line(f"  by the rule {found.rule}{status}: {reason_of(found.rule)}"))
    console.print(line(f"  next: {remedy_of(rt, provider, found)}"))

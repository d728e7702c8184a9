"""The progress of a backfill as plain data."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.runtime import Runtime


def describe_backfill(status: Mapping[str, str], waiting: dict[str, int]) -> dict[str, Any] | None:
    """Return the progress of a backfill, from its hash in Redis, as plain data; None if there never was one.

    `read` is the part of the range that was read (0 to 1), estimated from the times at which the orders read so far
    were placed. `waiting` counts, by target, the orders of all backfills.
    """
    if "since" not in status:
        return None
    since, until = int(status["since"]), int(status["until"])
    seen = int(status["last"]) - int(status["first"]) if "first" in status else 0
    finished = "finished" in status
    return {
        "state": "finished" if finished else "stopped" if "paused" in status else "running",
        "since": datetime.fromtimestamp(since / 1000, UTC).isoformat(),
        "until": datetime.fromtimestamp(until / 1000, UTC).isoformat(),
        "read": 1.0 if finished else min(0.99, seen / (until - since)),
        "records": int(status.get("records", 0)),
        "counts": {key.removeprefix("n_"): int(value) for key, value in status.items() if key.startswith("n_")},
        "waiting": waiting,
        "waits": status.get("waits"),
        "error": status.get("error"),
    }


def backfill_progress(rt: Runtime, name: str) -> dict[str, Any] | None:
    """Read the progress of a provider's backfill; None if it never had one."""
    waiting = {target: rt.lanes[target].count_bulk() for target in rt.settings.targets_of(name)}
    return describe_backfill(rt.backfills.status(name), waiting)

"""The state of a provider and of a lane in a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.operations.times import age

if TYPE_CHECKING:
    from typing import Any


def provider_state(provider: dict[str, Any]) -> str:
    """Return the state of a provider of the document of `status`; "ok" if it is well."""
    if reason := _halted(provider):
        return reason
    if provider["error"]:
        return "FAILS"
    if provider["started_s"] is None:
        return "not read yet"
    if (backfill := provider["backfill"]) and backfill["state"] == "running":
        return f"backfill {backfill['read']:.0%}"
    return "reading" if provider["walking"] else "ok"


def _halted(account: dict[str, Any]) -> str:
    """Return why nothing is read or sent on purpose, and for how long; empty if there is no such reason."""
    if account.get("paused"):
        return "PAUSED" if account["paused_for_s"] is None else f"PAUSED {age(max(0, account['paused_for_s']))}"
    return f"maintenance {age(account['maintenance_s'])}" if account["maintenance_s"] else ""


def lane_state(lane: dict[str, Any]) -> str:
    """Return the state of a lane of the document of `status`; it begins with "ok" or a number if the lane is well."""
    if reason := _halted(lane):
        return reason
    if lane["quarantine_s"] and lane["queued"]:
        return f"new ledger, sends in {age(lane['quarantine_s'])}"
    if lane["closed_s"]:
        return f"target down, again in {age(lane['closed_s'])}"
    sending = f"{lane['drains']} sending" if lane["drains"] else "ok"
    return f"{sending}, {lane['backfilled']:,} of backfill" if lane["backfilled"] else sending

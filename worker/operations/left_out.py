"""Orders that no route creates: why, and what to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from worker.watch.judgements import status_map_line

if TYPE_CHECKING:
    from worker.runtime import Runtime
    from worker.store.feeds.left_out import Remembered

#: How the rule of an order that is older than the start of its provider begins (see `Delivery.before_start`).
_BEFORE_START: Final = "placed before start "


def reason_of(rule: str) -> str:
    """Return why a rule leaves orders out (see `Route.left_out`)."""
    name, _, value = rule.partition("=")
    if name == "status":
        return f"the status is {value}, and the route does not create such orders"
    if name == "only.status":
        return f"the filter of the route does not include the status {value}"
    if name.startswith("only."):
        return f"the filter of the route excludes its {name.removeprefix('only.')}"
    reasons = {
        "test": "it is a test order, and the route does not create such orders",
        "deleted": "it was deleted at the source",
        "combined": "it was combined with another order at the source",
        "transform": "the transform of the route leaves it out",
    }
    if rule.startswith(_BEFORE_START):
        return f"it was {rule}; only orders placed at or after that time are created"
    return reasons.get(rule, rule)


def remedy_of(rt: Runtime, provider: str, found: Remembered) -> str:
    """Return what a person can do to have the order created all the same."""
    name, _, value = found.rule.partition("=")
    if name in {"deleted", "combined"}:
        return "nothing: it no longer exists"
    if name.startswith(_BEFORE_START):
        return f"nothing. To create it nevertheless: intake backfill {provider} --since DAY --until DAY"
    if name == "only.status" and value == "unknown":
        change = f"map its status in [providers.{provider}] {status_map_line(found.status_raw)}"
    elif name == "only.status":
        only = json.dumps([*_allowed(rt, provider, found), value])
        change = f"nothing, until its status changes; or write {name} = {only} in the route"
    elif name == "status":
        change = f'nothing, until its status changes; or write also_create = ["{value}"] in the route'
    elif name == "test":
        change = 'write also_create = ["test"] in the route'
    else:
        change = f"change {name} of the route"
    return f"{change}, run intake reload, and read it again: intake backfill {provider} --since DAY"


def _allowed(rt: Runtime, provider: str, found: Remembered) -> list[str]:
    routes = [route for route in rt.settings.routes if route.source == provider and found.target in route.targets]
    return [status.value for route in routes for status in route.only.status]

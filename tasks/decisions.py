"""Decide again, before an order is sent, whether its routes want it: the settings may have changed while it waited."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import ValidationError

from tasks.intentions import order_of
from worker.settings.routes import placed_before, route_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.runtime import Runtime
    from worker.store.orders.drains import Claim


def decide_again(rt: Runtime, target: str, claims: Sequence[Claim]) -> list[Claim]:
    """Return the claims, with the reason where no route to `target` wants the order any more.

    Where a route has a transform, the ledger does not have the order that the route decides on: that order is decided
    again when it is read again.
    """
    return [_decided(rt, target, claim) for claim in claims]


def _decided(rt: Runtime, target: str, claim: Claim) -> Claim:
    """Return the claim; held, where its route was removed from the settings, which may have been a mistake."""
    provider = claim.key.partition(":")[0]
    if claim.is_update or claim.step or target in rt.settings.targets_of(provider):
        reason = _reason(rt, target, claim)
        return replace(claim, unrouted=reason) if reason != claim.unrouted else claim
    reason = f"no route leads from {provider} to {target} any more"
    return replace(claim, hold=claim.hold or f"unrouted {reason}")


def _reason(rt: Runtime, target: str, claim: Claim) -> str:
    """Return why no route wants the order of a claim; "" if one does, if the target has it, or if nobody can decide."""
    provider = claim.key.partition(":")[0]
    routes = [route for route in rt.settings.routes if route.source == provider and target in route.targets]
    if claim.is_update or claim.step or not routes:
        return ""
    try:
        order = order_of(claim.payload)
    except ValidationError:
        return ""  # the attempt fails as well, with the reason, before anything is sent
    if not claim.requested and (before_start := placed_before(rt.settings.start_of(provider), order)):
        return before_start
    if any(route.transform for route in routes):
        return ""
    if any(route.accepts(order) for route in routes):
        return ""
    return route_to(routes, order, lambda _: claim.reference).left_out

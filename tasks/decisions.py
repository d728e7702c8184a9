"""Decide again, before an order is sent, whether its routes want it: the settings may have changed while it waited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace
from pydantic import ValidationError

from tasks.intentions import order_of
from worker.settings.routes import placed_before, route_to

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from worker.runtime import Runtime
    from worker.settings.routes import Route
    from worker.store.orders.drains import Claim


def decide_again(rt: Runtime, target: str, claims: Sequence[Claim]) -> list[Claim]:
    """Return the claims, with the reason where no route to `target` wants the order any more.

    Where a route has a transform, the ledger does not have the order that the route decides on: that order is decided
    again when it is read again.
    """
    providers = {claim.key.partition(":")[0] for claim in claims}
    routes = {
        provider: [route for route in rt.settings.routes if route.source == provider and target in route.targets]
        for provider in providers
    }
    return [_decided(rt, target, claim, routes) for claim in claims]


def _decided(rt: Runtime, target: str, claim: Claim, routes: Mapping[str, Sequence[Route]]) -> Claim:
    """Return the claim; held, where its route was removed from the settings, which may have been a mistake."""
    provider = claim.key.partition(":")[0]
    if claim.is_update or claim.step or routes[provider]:
        reason = _reason(rt, provider, claim, routes[provider])
        return replace(claim, unrouted=reason) if reason != claim.unrouted else claim
    reason = f"no route leads from {provider} to {target} any more"
    return replace(claim, hold=claim.hold or f"unrouted {reason}")


def _reason(rt: Runtime, provider: str, claim: Claim, routes: Sequence[Route]) -> str:
    """Return why no route wants the order of a claim; "" if one does, if the target has it, or if nobody can decide."""
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

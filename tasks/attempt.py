"""One attempt: what to ask of the target for an order that is claimed, by what is known of it."""

from __future__ import annotations

import traceback
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import simplejson

from schemas.order import Order
from worker.errors import Held, IntakeError, LeaseLost, PermanentError, RetryableError, SnoozeError, Uncertain
from worker.retry import backoff
from worker.store.orders.lanes import Claim, Outcome
from worker.systems.target import Pending, Receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from worker.systems.target import Target


#: From so many orders on, one question for all is less than one for each.
_WORTH_ASKING: Final = 2


def attempt(target: Target, claim: Claim, seen: Callable[[], Mapping[str, Receipt] | None] = lambda: None) -> Outcome:
    """Make one order exist in the target, or bring it up to date there; raises only LeaseLost.

    `seen` returns what the target is known to hold (`tasks/target_index.py`), for an order this ledger never sent.
    """
    if claim.is_update:
        return _tried(claim, lambda: _update(target, claim))
    if claim.step:
        return _tried(claim, lambda: _made(target, claim, target.resume(_order(claim), claim.reference, claim.step)))
    if claim.uncertain:
        found = _tried(claim, lambda: _find(target, claim, seen))
        if found.kind == "bury" and claim.uncertain != "looked":
            # A target that will not be asked has said nothing of the order: it may be there.
            return Outcome("doubt", found.code, found.detail, extra=found.extra)
        if found.kind not in {"release", "bury"}:
            return found
    return _tried(claim, lambda: _made(target, claim, target.create(_order(claim), claim.reference)))


def clear_absent(target: Target, claims: list[Claim]) -> list[Claim]:
    """The claims, in their order; those that one question shows not to be there are as good as new.

    Whatever goes wrong with the question goes wrong with no order: each is asked for by itself then.
    """
    unsure = {claim.key: claim.reference for claim in claims if claim.uncertain and not (claim.step or claim.is_update)}
    if target.bulk == 1 or not target.settles or len(unsure) < _WORTH_ASKING:
        return claims
    try:
        absent = set(target.absent(sorted(set(unsure.values()))))
    except LeaseLost:
        raise
    except Exception:  # noqa: BLE001  # as in `_tried`
        return claims
    return [replace(claim, uncertain="") if unsure.get(claim.key) in absent else claim for claim in claims]


def attempt_many(target: Target, claims: Sequence[Claim]) -> list[Outcome] | None:
    """Create many orders in one call; None: it was refused as a whole, so take them one by one."""
    try:
        made = target.create_many([(_order(claim), claim.reference) for claim in claims])
        return _one_failure(_one_of_many(target, claim, one) for claim, one in zip(claims, made, strict=True))
    except LeaseLost:
        raise
    except PermanentError:
        return None
    except Exception as error:  # noqa: BLE001  # as in `_tried`
        return _one_failure(_failed(claim, error) for claim in claims)


def _one_failure(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """What stopped one call, or the question after it, is one failure of the lane, however many orders were in it."""
    told: list[Outcome] = []
    for it in outcomes:
        again = it.kind == "retry" and any(other.kind == "retry" for other in told)
        told.append(replace(it, kind="retry_uncounted") if again else it)
    return told


def _one_of_many(target: Target, claim: Claim, what: Receipt | IntakeError) -> Outcome:
    return _failed(claim, what) if isinstance(what, IntakeError) else _tried(claim, lambda: _made(target, claim, what))


def _order(claim: Claim) -> Order:
    return Order.model_validate_json(claim.payload)


def _find(target: Target, claim: Claim, seen: Callable[[], Mapping[str, Receipt] | None]) -> Outcome:
    """What asking tells: it has "existed", or (a "release") it is certainly not there."""
    there = seen() if claim.uncertain == "ask" else None
    found = target.find(claim.reference) if there is None else there.get(claim.reference)
    if found is not None:
        return Outcome("existed", "found", extra=found.target_id or "")
    if claim.uncertain == "1" and not target.settles:
        told = f"{target.kind}: it may have been sent, and is not to be seen there yet"
        # The target has answered: the lane has not failed, only this order waits.
        return Outcome("retry_uncounted", Uncertain.code, told, delay=backoff(claim.tries), uncertain=True)
    return Outcome("release")


def _update(target: Target, claim: Claim) -> Outcome:
    if not target.updates:
        raise Held(
            f"{target.kind} cannot change an order: change it there by hand, then: intake release {target.name} --drop"
        )
    target.update(_order(claim), claim.reference, claim.target_id)
    return Outcome("updated", extra=claim.target_id)


def _made(target: Target, claim: Claim, receipt: Receipt | Pending) -> Outcome:
    if isinstance(receipt, Pending):
        return Outcome("pending", delay=receipt.delay, extra=receipt.step, uncertain=True)
    return Outcome("existed" if receipt.existed else "delivered", extra=_id(target, claim, receipt))


def _id(target: Target, claim: Claim, receipt: Receipt) -> str:
    """The target's id of the order; asked for where "already there" came without it, and done without if need be."""
    if receipt.target_id is not None:
        return receipt.target_id
    try:
        found = target.find(claim.reference)
    except LeaseLost:
        raise
    except IntakeError:
        return ""
    return (found.target_id or "") if found else ""


def _tried(claim: Claim, call: Callable[[], Outcome]) -> Outcome:
    try:
        return call()
    except LeaseLost:
        raise
    except Exception as error:  # noqa: BLE001  # whatever an adapter stumbles over is this order's, not the lane's
        return _failed(claim, error)


def _failed(claim: Claim, error: Exception) -> Outcome:
    match error:
        case SnoozeError():
            return Outcome("snooze", error.code, str(error), error.delay, uncertain=error.uncertain)
        case RetryableError():
            return Outcome(
                "retry", error.code, str(error), backoff(claim.tries), uncertain=isinstance(error, Uncertain)
            )
        case Held():
            return Outcome("hold", error.code, str(error))
        case PermanentError():
            fields = simplejson.dumps(error.fields, default=str) if error.fields else ""
            return Outcome("bury", error.code, str(error), extra=fields)
        case _:
            # The adapter adapter_bug, maybe after it had sent: say where, not with what.
            frame = traceback.extract_tb(error.__traceback__)[-1]
            detail = f"{type(error).__name__} in {frame.name}, line {frame.lineno}"
            return Outcome("retry", "bug", detail, backoff(claim.tries), uncertain=True)

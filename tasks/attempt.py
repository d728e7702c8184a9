"""One attempt to deliver a claimed order: create it, update it, or first search for it at the target."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Final, Literal

import simplejson
from msgspec.structs import replace

from schemas.changes import Changes
from tasks.intentions import order_of
from worker.errors import (
    Held,
    IntakeError,
    LeaseLost,
    OutOfTime,
    PermanentError,
    RetryableError,
    SnoozeError,
    Uncertain,
)
from worker.retry import backoff
from worker.store.orders.drains import Claim, Outcome
from worker.systems.steps import Steps, continued, current_place, note_place
from worker.systems.target import Pending, Receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from worker.systems.target import Target

    #: The call of a target that may continue where it stopped (see `worker/systems/steps.py`).
    Phase = Literal["find", "create", "resume", "update"]

    #: Returns the orders of the target by reference, or None if each order must be searched for (see `target_index`).
    Index = Callable[[], Mapping[str, Receipt] | None]

#: From this many uncertain orders on, one question for all costs less than one question for each.
_WORTH_ASKING: Final = 2
#: The outcomes after which the order is attempted again.
_AGAIN: Final = frozenset({"retry", "retry_uncounted", "snooze"})
#: References in one call of `Target.absent`, unless one call of the target takes more.
_ASKED_AT_ONCE: Final = 50


def attempt(
    target: Target,
    claim: Claim,
    index: Index = lambda: None,
    refresh: Callable[[Claim], Claim] = lambda claim: claim,
) -> Outcome:
    """Create the order in the target, or continue or update it there. Raise LeaseLost, and what `refresh` raises.

    An order that the target may already have is searched for before it is created. An order that is left out is never
    created. A call that was interrupted continues where it stopped.

    Args:
        target: The target.
        claim: The claimed order.
        index: Returns the orders of the target by reference, if they are listed once for all orders.
        refresh: Returns the claim, with the reason if the order was left out while the target was searched.
    """
    if claim.blocker:
        return Outcome("hold", "combined", _blocked(target, claim))
    if claim.is_update:
        return _continue(claim, "update", lambda: _update(target, claim))
    if claim.step:
        return _continue(claim, "resume", lambda: _resume(target, claim))
    return _create_if_absent(target, claim, index, refresh)


def _create_if_absent(target: Target, claim: Claim, index: Index, refresh: Callable[[Claim], Claim]) -> Outcome:
    """Create the order; if the target may have it, search for it first."""
    search = _continue(claim, "find", lambda: _find(target, claim, index)) if claim.uncertain else Outcome("release")
    if search.kind == "bury" and (claim.uncertain != "looked" or claim.left_out):
        # The target refused to search, which proves nothing: the order may be there.
        return Outcome("doubt", search.code, search.detail, extra=search.extra)
    if search.kind not in {"release", "bury"}:
        return search
    if not claim.uncertain:
        return _continue(claim, "create", lambda: _create(target, claim))
    decided = refresh(claim)
    created = _continue(decided, "create", lambda: _create(target, decided))
    if created.code != OutOfTime.code:
        return created
    # The search is a step as well: the next attempt does not repeat it.
    return replace(created, kind="snooze", delay=0.0, place=created.place or "create ")


def attempt_many(target: Target, claims: Sequence[Claim]) -> list[Outcome] | None:
    """Create many orders in one call. Return None if the target refused the call as a whole: then create each alone."""
    try:
        results = target.create_many([(order_of(claim.payload), claim.reference) for claim in claims])
        return _count_once(_outcome_of(target, claim, result) for claim, result in zip(claims, results, strict=True))
    except LeaseLost:
        raise
    except PermanentError:
        return None
    except Exception as error:  # noqa: BLE001  # as in `_catch`
        return _count_once(_failed(claim, error) for claim in claims)


def to_ask_together(target: Target, claims: Sequence[Claim]) -> list[Claim]:
    """Return the uncertain orders that one question may cover (see `clear_absent`); none if it is not worthwhile."""
    unsure = [claim for claim in claims if claim.uncertain and not (claim.step or claim.is_update)]
    return unsure if target.bulk > 1 and target.settles and len(unsure) >= _WORTH_ASKING else []


def clear_absent(target: Target, claims: list[Claim], refresh: Callable[[Sequence[Claim]], list[Claim]]) -> list[Claim]:
    """Return uncertain claims in their order, without that mark where the target certainly lacks the order.

    One question covers all of them. If it fails, the claims stay uncertain: each order is searched for alone.
    `refresh` returns the claims, with the reason where an order was left out while the target was asked.
    """
    unsure = {claim.key: {claim.reference, *claim.former} for claim in claims}
    references, most = sorted(set().union(*unsure.values())), max(_ASKED_AT_ONCE, target.bulk)
    absent: set[str] = set()
    try:
        for first in range(0, len(references), most):
            absent.update(target.absent(references[first : first + most]))
    except LeaseLost:
        raise
    except Exception:  # noqa: BLE001  # as in `_catch`
        return claims
    certain = {key for key, possible in unsure.items() if possible <= absent}
    return refresh([replace(claim, uncertain="") if claim.key in certain else claim for claim in claims])


def _find(target: Target, claim: Claim, index: Index) -> Outcome:
    """Search for the order: return "existed" if it is there, "release" if it is certainly not."""
    by_reference = index() if claim.uncertain == "ask" else None
    find = target.find if by_reference is None else by_reference.get
    for reference, receipt in _search(find, (claim.reference, *claim.former)):
        if receipt is not None:
            changed = claim.uncertain == "ask" or claim.tried != claim.fingerprint
            target.recognize(order_of(claim.payload), reference, receipt, changed=changed)
            former = reference if reference != claim.reference else ""
            return Outcome("existed", "found", extra=receipt.target_id or "", reference=former)
    if claim.uncertain == "1" and not target.settles:
        reason = f"{target.kind}: it may have been sent, but is not visible there yet"
        # The target responded, so the lane has not failed: only this order waits.
        return Outcome("retry_uncounted", Uncertain.code, reason, delay=backoff(claim.tries), uncertain=True)
    return Outcome("release")


def _search(find: Callable[[str], Receipt | None], references: Sequence[str]) -> Iterator[tuple[str, Receipt | None]]:
    """Yield each reference with what `find` returns for it, from the place on where the search was interrupted."""
    number, _, place = current_place().partition(" ")
    first = int(number) if number.isdecimal() else 0
    for at, reference in enumerate(references[first:], first):
        steps = Steps(place if at == first else "")
        try:
            with continued(steps):
                receipt = find(reference)
        finally:
            if at or steps.place:
                note_place(f"{at} {steps.place}")
        yield reference, receipt


def _create(target: Target, claim: Claim) -> Outcome:
    if claim.left_out or claim.unrouted:
        return Outcome("withdrawn", detail=claim.unrouted)
    if claim.hold:
        code, _, reason = claim.hold.partition(" ")
        return Outcome("hold", code, reason)
    return _created(target, claim, target.create(order_of(claim.payload), claim.reference))


def _blocked(target: Target, claim: Claim) -> str:
    return (
        f"{claim.blocker} was combined into it, and may still be in {target.name}: see that it is cancelled there, "
        f"then: intake release {target.name} {claim.key}"
    )


def _update(target: Target, claim: Claim) -> Outcome:
    order = order_of(claim.payload)
    changes = Changes.between(claim.sent_fields, order)
    return Outcome(target.change(order, claim.reference, claim.target_id, changes), extra=claim.target_id)


def _resume(target: Target, claim: Claim) -> Outcome:
    return _created(target, claim, target.resume(order_of(claim.payload), claim.reference, claim.step))


def _created(target: Target, claim: Claim, receipt: Receipt | Pending) -> Outcome:
    if isinstance(receipt, Pending):
        return Outcome("pending", delay=receipt.delay, extra=receipt.step, uncertain=True)
    return Outcome("existed" if receipt.existed else "delivered", extra=_target_id(target, claim, receipt))


def _target_id(target: Target, claim: Claim, receipt: Receipt) -> str:
    """Return the target's own id of the order.

    A target that only responds "already there" is asked for the id. Return "" if it does not provide one.
    """
    if receipt.target_id is not None:
        return receipt.target_id
    try:
        existing = target.find(claim.reference)
    except LeaseLost:
        raise
    except IntakeError:
        return ""
    return (existing.target_id or "") if existing else ""


def _outcome_of(target: Target, claim: Claim, result: Receipt | IntakeError) -> Outcome:
    """Return the outcome of one order in a call for many."""
    if isinstance(result, IntakeError):
        return _failed(claim, result)
    return _catch(claim, lambda: _created(target, claim, result))


def _count_once(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Count a call for many orders as one failure of the lane, however many of its orders failed."""
    counted: list[Outcome] = []
    for outcome in outcomes:
        again = outcome.kind == "retry" and any(other.kind == "retry" for other in counted)
        counted.append(replace(outcome, kind="retry_uncounted") if again else outcome)
    return counted


def _continue(claim: Claim, phase: Phase, call: Callable[[], Outcome]) -> Outcome:
    """Make a call that continues where it was interrupted; note in the outcome where it is interrupted now."""
    interrupted, _, place = claim.place.partition(" ")
    began = place if interrupted == phase else ""
    with continued(Steps(began)) as steps:
        outcome = _catch(claim, lambda: _ended(call()))
    if outcome.code == OutOfTime.code and steps.place == began:
        # All the time was not enough for one step: again and again it would be the same.
        outcome = replace(outcome, kind="retry_uncounted", delay=backoff(claim.tries))
    return replace(outcome, place=f"{phase} {steps.place}") if outcome.kind in _AGAIN and steps.place else outcome


def _ended(outcome: Outcome) -> Outcome:
    """Return the outcome of a call that was not interrupted: the next one begins anew, also if this one was in vain."""
    note_place("")
    return outcome


def _catch(claim: Claim, call: Callable[[], Outcome]) -> Outcome:
    try:
        return call()
    except LeaseLost:
        raise
    except Exception as error:  # noqa: BLE001  # a bug of an adapter fails this order, not the lane
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
            # A bug of the adapter, perhaps after it sent the order. Name the place, never the values.
            frame = traceback.extract_tb(error.__traceback__)[-1]
            detail = f"{type(error).__name__} in {frame.name}, line {frame.lineno}"
            return Outcome("retry", "bug", detail, backoff(claim.tries), uncertain=True)

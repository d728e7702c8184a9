"""What the ledger has to remember, field by field, of the content that is sent to targets that can update orders."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from schemas.changes import fingerprints, uncertain, with_unknown
from schemas.stored import stored_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.order import Order
    from worker.runtime import Runtime
    from worker.store.orders.drains import Claim, Drain


#: The most characters of a payload whose order is kept. An order takes eight to nine times its payload in memory: 512
#: of the usual size (2,400 characters) take 10 MB, and none can take more than 36.
_SHORT: Final = 8_192

_read_once = lru_cache(maxsize=512)(stored_order)  # as many as wait for their calls in a drain


def order_of(payload: str) -> Order:
    """Return the order in a payload; it is needed before it is sent and to send it, and usually read once."""
    return _read_once(payload) if len(payload) <= _SHORT else stored_order(payload)


def intend(rt: Runtime, target: str, drain: Drain, claims: Sequence[Claim]) -> None:
    """Note what is about to be sent, so that a later update knows what the target has even if no response arrives.

    Orders that no update will follow are not noted. Raises LeaseLost if the drain was taken over.
    """
    noted = []
    for claim in claims:
        if claim.sent_fields or rt.sends_changes(claim.key.partition(":")[0], target):
            try:
                order = order_of(claim.payload)
            except ValidationError:
                continue  # the attempt fails as well, with the reason, before anything is sent
            noted.append((claim, *_intention(claim, order, cancels=rt.targets[target].cancels(order))))
    drain.intend(noted)


def _intention(claim: Claim, order: Order, *, cancels: bool) -> tuple[bytes, bytes]:
    """Return what the target has whether or not it receives this, and what it has once it confirms."""
    if claim.is_update and cancels:
        return with_unknown(claim.sent_fields, "status"), b""
    now = fingerprints(order)
    if claim.is_update or claim.sent_fields:
        return uncertain(claim.sent_fields, order), now
    if claim.left_out or claim.tried != claim.fingerprint:
        return b"", now  # it changed since it may have been sent before, and what that was is forgotten
    return now, b""

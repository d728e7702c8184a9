"""Release: send held orders, or drop what is held of them, as a person decided."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from schemas.stored import stored_order
from tasks.accept import route_order
from worker.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.runtime import Runtime

#: Orders released in one round trip.
_AT_ONCE: Final = 500
#: The codes of orders that the transform of their route holds (see `worker/settings/routes.py`), and whose reference is
#: that of another order (see `accept.lua`): both may have changed with the settings.
_BY_SETTINGS: Final = frozenset({"transform", "reference"})


def release(rt: Runtime, target: str, order_keys: Sequence[str], action: Literal["send", "drop"]) -> int:
    """Send held orders, or drop what is held of them; return how many were held.

    The transform of an order that it held is called again: its cause may be gone by now.
    """
    count = 0
    for first in range(0, len(order_keys), _AT_ONCE):
        chunk = order_keys[first : first + _AT_ONCE]
        if action == "send":
            count += sum(_route_again(rt, target, key) for key in chunk)
        count += rt.lanes[target].release(chunk, action)
    return count


def _route_again(rt: Runtime, target: str, order_key: str) -> bool:
    """Route an order again that the settings hold; return whether it is queued now."""
    code = rt.ledger.standing(target, order_key).code
    if code not in _BY_SETTINGS:
        return False
    payload = rt.stuck[target].payload(order_key)
    if payload is None:
        return False
    order = stored_order(payload)
    delivery = dict(route_order(rt, order)).get(target)
    if delivery is None or isinstance(delivery, PermanentError) or delivery.hold:
        return False  # held still: the person who releases it decides
    if code == "reference":
        delivery = replace(delivery, order=order)  # its transform was called already
    on_change = rt.on_change(order.provider, target)
    [result] = rt.ledger.accept(target, [delivery], "release", on_change=on_change).results
    return result in {"revived", "updating"}

"""What a transform of a route may return instead of an order: `Skip` or `Hold`.

A transform is a pure function of your own, `Order -> Order | Skip | Hold`, that a route names in `intake.toml`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.order import Order


@dataclass(frozen=True, slots=True)
class Skip:
    """Leave the order out of this route, as a filter would.

    The reason is logged and shown: name a field in it, never a value that is personal.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Accept the order, and hold it until a person releases it.

    Args:
        reason: Why; as for `Skip`.
        order: What `intake release` sends. None: the transform is called again at the release, and what it then returns
            is sent; if it still holds the order, the order is sent as the transform received it.
    """

    reason: str
    order: Order | None = None

"""A delivery: an order as one target is to have it, as the ledger accepts it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

from schemas.cancellation import stop, successor
from schemas.corrections import corrected, public_name
from worker.errors import Malformed
from worker.store.orders import payload
from worker.store.orders.corrections import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.corrections import Corrected
    from schemas.order import Order, Written
    from worker.store.orders.corrections import Stored
    from worker.store.redis.catalog import Argument

#: Why a changed order is held that a person corrected long ago.
_LOST_CORRECTION: Final = "review a person corrected it, and the correction is no longer kept: check it"
#: The place of the content in `Delivery.values`.
_CONTENT: Final = 4
#: The most characters of a reference: an order's own fields are its parts, and no target accepts so many.
LONGEST_REFERENCE: Final = 4096

#: How to handle an order that changes after its delivery: send it again as an update, hold it, or only count it.
OnChange = Literal["update", "hold", "ignore"]

#: When to ask the target for an order before creating it: "new": while the ledger is new (it was lost: no walk of the
#: provider has ended; without polls, for a day); "always"; "never": the target refuses duplicates.
Ask = Literal["never", "new", "always"]


@dataclass(frozen=True)
class Delivery:
    """An order, its reference in the target, and why no route creates it there ("" if one does)."""

    order: Order
    reference: str
    left_out: str = ""
    #: The rule that left it out, for counting; see `LeftOut` of the routes.
    rule: str = ""
    #: A code and a reason, if the order waits for a person before it is sent; "" if it does not.
    hold: str = ""
    #: "placed before start 2026-12-01", if the order was placed before the start of its provider: only a backfill
    #: creates it. For counting, this is the rule.
    before_start: str = ""
    #: Further references under which the target may have it, if the ledger does not know it.
    former: tuple[str, ...] = ()
    #: Which other orders could have the reference (see `owner.lua`); "" if no other can.
    shared: str = ""
    #: The corrections that a person made; None for an order without them.
    corrections: Stored | None = None

    def with_corrections(self, stored: Stored) -> Delivery:
        """Return the delivery with corrections; held if they are no longer kept, and the order is still to be sent."""
        if stored.version or self.hold or stop(self.order):
            return replace(self, corrections=stored)
        return replace(self, corrections=stored, hold=_LOST_CORRECTION)

    @property
    def wanted(self) -> bool:
        """Whether a route creates the order, as far as it may be created (see `before_start`)."""
        return not self.left_out

    @cached_property
    def written(self) -> Written:
        """Return what the source says as Redis keeps it, and its fingerprint. Raise Malformed as `payload.write`."""
        return payload.write(self.order)

    @cached_property
    def corrected(self) -> Corrected | None:
        """Return the order with its corrections; None without any. What a transform did not see is not corrected."""
        if self.corrections is None or self.hold.startswith("transform "):
            return None
        return corrected(self.order, self.corrections.by_field)

    @property
    def sent(self) -> Order:
        """The order as it is sent: with its corrections."""
        return self.corrected.order if self.corrected else self.order

    @cached_property
    def fingerprint(self) -> str:
        """Return the fingerprint of the order as it is sent, and of the reason for which it is held."""
        if self.corrected is None:
            return self.source_fingerprint
        return fingerprint_of(payload.write(self.corrected.order).fingerprint, self.hold)

    @cached_property
    def source_fingerprint(self) -> str:
        """Return the same of what the source says."""
        return fingerprint_of(self.written.fingerprint, "" if self.hold == _LOST_CORRECTION else self.hold)

    @cached_property
    def correction(self) -> str:
        """What accept.lua needs to know of the corrections, as JSON; "" for an order without them."""
        if self.corrections is None:
            return ""
        stored, event, remaining = self.corrections, "", self.corrections.by_field
        if self.corrected:
            remaining, ended = self.corrected.remaining, ", ".join(map(public_name, self.corrected.ended))
            event = f"correction ended: the source changed {ended}" if ended else ""
        if not stored.version:
            event = "correction ended: its values are no longer kept"
        # The version changes with what is in force, so that a person who saw another one learns of it.
        text = text_of(remaining, "" if event else stored.version)
        return json.dumps({"seen": stored.version, "source": self.source_fingerprint, "text": text, "event": event})

    @cached_property
    def values(self) -> tuple[Argument, ...]:
        """Return the values of the order as the accept script takes them.

        Raise Malformed for an order that has no JSON or that is too large: nothing of it may reach Redis.
        """
        order = self.order
        if len(self.reference) > LONGEST_REFERENCE:
            raise Malformed(f"its reference is too long: {len(self.reference)} characters, of {LONGEST_REFERENCE}")
        # Decimal strings sort like the numbers they are if shorter ones sort first.
        version = str(order.version or 0)
        written = self.written
        fingerprint = self.fingerprint if self.hold or self.corrections else written.fingerprint
        content_values = order.key, self.reference, fingerprint, version, written.text
        left_out = self.left_out, stop(order), successor(order)
        former = json.dumps(self.former) if self.former else ""
        placed = round(order.ordered_at.timestamp() * 1000)
        return *content_values, *left_out, self.hold, self.before_start, former, placed, self.shared, self.correction


def fingerprint_of(content: str, hold: str) -> str:
    """Return the fingerprint of an order with this content, and with the reason for which it is held ("": none)."""
    return hashlib.blake2b(f"{content} {hold}".encode(), digest_size=16).hexdigest() if hold else content


def values_of(orders: Sequence[Delivery], *, pack: bool) -> list[Argument]:
    """Return the values of the orders as the accept script takes them, with compressed contents if `pack`."""
    items: list[Argument] = []
    for delivery in orders:
        values = delivery.values
        items += (*values[:_CONTENT], payload.pack(str(values[_CONTENT])), *values[_CONTENT + 1 :]) if pack else values
    return items

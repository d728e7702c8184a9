"""An update of an order in OrderCloud: what changed at the source is written, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas.ordercloud_place import changed_place, patched
from schemas.ordercloud_request import changed_order
from worker.systems.steps import Counted

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from schemas.changes import Changes
    from schemas.ordercloud_answer import HeldLine, HeldOrder
    from schemas.ordercloud_request import LineRequest
    from worker.systems.ordercloud.basket import Basket
    from worker.systems.ordercloud.content import Content

#: The leaves of a line by which its product is found.
_PRODUCT: Final = frozenset({"sku", "ean", "product_id"})


class Update:
    """One update.

    Lines are found by the key in their `xp`: a line without one was added by somebody else, and stays. Amounts are
    compared with those that we wrote last (`Sent`), because a discount of the order is part of the prices of its lines.
    A call that was interrupted continues with the next line.
    """

    def __init__(self, basket: Basket, content: Content, changes: Changes) -> None:
        self._basket, self._content, self._changes = basket, content, changes
        self._steps = Counted(content.order.model_dump(mode="json"))

    def run(self, held: HeldOrder) -> None:
        """Write what changed since the order was sent."""
        content, changes = self._content, self._changes
        if body := changed_order(content.order, content.amounts, held.sent, changes):
            self._basket.patch(body)
        lines = self._basket.lines()
        self._change_receiver(lines)
        self._change_lines(lines)
        bill_to = content.bill_to
        if bill_to and (changed := changed_place(bill_to, "billing_address", content.order, changes)):
            self._basket.patch_address("/billto", changed, bill_to)

    def _change_receiver(self, lines: Sequence[HeldLine]) -> None:
        """Change the address of the lines. An order has none of its own: people may have changed that of one line."""
        whole = self._content.ship_to
        changed = changed_place(whole, "shipping_address", self._content.order, self._changes) if whole else {}
        if not changed:
            return
        first = lines[0].shipping_address if lines else {}
        if all(line.shipping_address == first for line in lines):
            self._basket.put_address("/shipto", patched(first, changed) if first else whole)
            return
        for line in lines:
            address = patched(line.shipping_address or whole, changed)
            if line.key is not None and address != patched(line.shipping_address, {}):
                self._basket.put_line_address(line.id, address)

    def _change_lines(self, existing: Sequence[HeldLine]) -> None:
        ours: dict[str, list[HeldLine]] = {}
        for line in existing:
            if line.key is not None:
                ours.setdefault(line.key, []).append(line)
        wanted: dict[str, list[LineRequest]] = {}
        for request in self._content.lines:
            wanted.setdefault(request.key, []).append(request)
        for key, held in ours.items():
            # A line that has no pieces any more is still a line of the order.
            if key not in wanted and (self._changes.removed(key) or key in self._changes.lines):
                self._delete(held)
        for key, requests in self._steps.rest("lines", wanted.items()):
            self._change_line(key, requests, {line.id: line for line in ours.get(key, ())})

    def _change_line(self, key: str, requests: Sequence[LineRequest], held: dict[str, HeldLine]) -> None:
        leaves: Collection[str] = self._changes.lines.get(key, ())
        if not held and key not in self._changes.added and not leaves:
            return  # people removed it
        line = self._content.line(key)
        assert line is not None  # noqa: S101  # the key is one of the order's
        other_product = bool(_PRODUCT & set(leaves))
        account = self._changes.touches("shipping.account")
        bodies = {
            request.id: request.changed(line, leaves, held[request.id].sent, account=account)
            for request in requests
            if request.id in held
        }
        is_wanted = bool(leaves) or key in self._changes.added or any("Quantity" in body for body in bodies.values())
        for request in requests:
            there = held.pop(request.id, None)
            if there is not None and there.product_id != request.product_id and other_product:
                self._delete([there])
                there = None
            if there is None and is_wanted:
                self._basket.put_line(request, self._content.ship_to)
            elif there is not None and (body := bodies[request.id]):
                self._basket.patch_line(request, body)
        self._delete(list(held.values()))

    def _delete(self, lines: Sequence[HeldLine]) -> None:
        for line in lines:
            self._basket.delete_line(line.id)

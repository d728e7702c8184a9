"""The proof: what the simulated source holds against what the simulated target holds, order by order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Comparison:
    """Ids of the source's orders by what became of them in the target."""

    orders: int
    created: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    #: Id and the first field that is not the same on both sides.
    different: tuple[tuple[str, str], ...]
    #: Orders of the target that the source does not have.
    extra: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether each order of the source is exactly once in the target, with its content, and nothing else is."""
        return not (self.lost or self.doubled or self.different or self.extra)

    def __str__(self) -> str:
        told = f"{self.orders} orders, {self.created} created, {len(self.lost)} lost, {len(self.doubled)} doubled"
        if self.different:
            told += f", {len(self.different)} different ({self.different[0][1]} of {self.different[0][0]}, …)"
        return f"{told}, {len(self.extra)} unknown" if self.extra else told


def _amount(value: Any) -> Decimal:
    return Decimal(str(value or 0)).normalize()


def _source(order: Mapping[str, Any]) -> dict[str, Any]:
    """A RetailCRM order as it should be seen in Dropday: read here from the simulation, not through our adapters."""
    delivery = order.get("delivery") or {}
    address = delivery.get("address") or {}
    # A cancelled item stays in the list and is not charged: nobody may ship it.
    items = [item for item in order.get("items") or () if not item.get("isCanceled")]
    return {
        "total": _amount(order.get("totalSumm")),
        "shipping": _amount(delivery.get("cost")),
        "lines": len(items),
        "pieces": sum((_amount(item["quantity"]) for item in items), Decimal(0)).normalize(),
        "city": address.get("city") or "",
        "postcode": address.get("index") or "",
    }


def _said(text: str | None) -> str:
    """The demo's accounts write "-" for what the order does not say."""
    return "" if text in {None, "-"} else str(text)


def _target(order: Mapping[str, Any]) -> dict[str, Any]:
    address = order.get("shipping_address") or {}
    lines = order.get("order_lines") or ()
    return {
        "total": _amount(order.get("total")),
        "shipping": _amount((order.get("shipping") or {}).get("cost")),
        "lines": len(lines),
        "pieces": sum((_amount(line["quantity"]) for line in lines), Decimal(0)).normalize(),
        "city": _said(address.get("city")),
        "postcode": _said(address.get("postcode")),
    }


def compare(source: Sequence[Mapping[str, Any]], target: Sequence[Mapping[str, Any]]) -> Comparison:
    """Compare all orders of a RetailCRM account with all orders of a Dropday account (`intake sandbox`'s own lists)."""
    wanted = {str(order["id"]): order for order in source}
    counts = Counter(str(order["external_id"]) for order in target)
    found = {str(order["external_id"]): order for order in target}
    different = []
    for key in wanted.keys() & found.keys():
        there, here = _source(wanted[key]), _target(found[key])
        if fields := [name for name, value in there.items() if here[name] != value]:
            different.append((key, fields[0]))
    return Comparison(
        orders=len(wanted),
        created=len(wanted.keys() & found.keys()),
        lost=tuple(sorted(wanted.keys() - found.keys())),
        doubled=tuple(sorted(key for key, count in counts.items() if count > 1)),
        different=tuple(sorted(different)),
        extra=tuple(sorted(found.keys() - wanted.keys())),
    )

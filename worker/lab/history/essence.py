"""The comparable fields of an order of each simulated system, read from the simulation and not by our adapters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from worker.lab.sandbox import essence
from worker.systems.references import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    #: An order as the simulation holds it.
    Raw = Mapping[str, Any]

#: The fields of the essence that are compared, in addition to the number of lines.
_COMPARED: Final = ("total", "shipping", "pieces", "city", "postcode")
#: By system: the field with the lines; a transport of Dropboy has pieces of cargo and no lines.
_LINES: Final = {"retailcrm": "items", "dropday": "products", "dropstream": "order_items", "ordercloud": "LineItems"}
#: By system: the field with the external id, and the function for our reference.
_SYSTEMS: Final[dict[str, tuple[str, Callable[[Raw], Any]]]] = {
    "retailcrm": ("id", lambda order: order.get("externalId")),
    "dropstream": ("id", lambda _: None),
    "dropboy": ("id", lambda order: order.get("orderNumber")),
    "ordercloud": ("ID", lambda order: decode(order["ID"], "A-Za-z0-9-")),
    "dropday": ("reference", lambda order: order.get("external_id")),
}


@dataclass(frozen=True, slots=True)
class OrderEssence:
    """The comparable fields of an order on one side, with the key that both sides know."""

    key: str
    fields: dict[str, Any]


def _fields(system: str, order: Raw) -> dict[str, Any]:
    """Return the fields of an order. A cancelled item of DropStream stays in its list, unshipped."""
    order = order.get("posted", order)  # Dropday shows beside its own order what was posted
    seen = essence.OF[system](order)
    fields: dict[str, Any] = {name: seen[name] for name in _COMPARED if name in seen}
    if system in _LINES:
        lines = essence.retailcrm_goods(order) if system == "retailcrm" else order.get(_LINES[system]) or ()
        # Two lines of OrderCloud are one of ours if the cents of its discount do not divide.
        fields["lines"] = len({_key_of(n, line) for n, line in enumerate(lines) if not line.get("canceled")})
    return fields


def _key_of(n: int, line: Raw) -> object:
    extended = line.get("xp")
    mark = extended.get("Intake") if isinstance(extended, dict) else None
    return mark.get("Key", n) if isinstance(mark, dict) else n


def in_source(system: str, provider: str, orders: Iterable[Raw]) -> list[OrderEssence]:
    """Return the orders of a source by their order key in Intake."""
    key, _ = _SYSTEMS[system]
    essences = [OrderEssence(f"{provider}:{order[key]}", _fields(system, order)) for order in orders]
    if system == "dropday":
        # It has no field for a discount, so a target that computes totals cannot arrive at the same total.
        for each in essences:
            del each.fields["total"]
    return essences


def in_target(system: str, orders: Iterable[Raw], provider: str | None = None) -> list[OrderEssence]:
    """Return the orders of a target by our reference: the order key, or the external id of `provider`."""
    _, reference = _SYSTEMS[system]
    prefix = "" if provider is None else f"{provider}:"
    return [OrderEssence(f"{prefix}{reference(order)}", _fields(system, order)) for order in orders]

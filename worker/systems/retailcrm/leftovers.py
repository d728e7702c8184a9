"""What no field of an `Order` carries of an order of RetailCRM: it is kept as it was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from schemas.reading import keep, kept
from schemas.retailcrm_order import Order

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from schemas.order import Order as Ours
    from schemas.reading import Path


def _steps(*paths: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(path.split(".")) for path in paths)


#: What is read only where a better field is missing, or only decides something: kept as well.
_OF_ORDER: Final = _steps(
    *("contact", "contragent", "company", "phone", "countryIso", "discountManualAmount", "bonusesChargeTotal"),
    *("customer.firstName", "customer.patronymic", "customer.lastName", "customer.nickName", "customer.email"),
    "delivery.address.text",
)
_OF_LINE: Final = _steps(
    *("status", "discountTotal", "productName", "offer.article", "offer.externalId", "offer.xmlId"),
    *("offer.name", "offer.displayName"),
)


def leftovers(raw: Mapping[str, Any], unread: tuple[Path, ...], ours: Ours) -> dict[str, Any]:
    """Return what is kept of an order, nested as it was sent. A line is named by its position.

    A text that is in our order already (one of two equal names) is not kept again.
    """
    rest = kept(Order, raw, unread)
    to, customer = ours.shipping_address, ours.customer
    _keep(rest, raw, _OF_ORDER, {*_texts(to), *_texts(customer)})
    phones = _rows((raw.get("customer") or {}).get("phones")) if isinstance(raw.get("customer"), dict) else []
    carried = [{"number": number} for number in (to.phone, customer.phone, customer.phone2)]
    if more := [row for _, row in phones if row not in carried]:
        rest.setdefault("customer", {})["phones"] = more
    lines = {line.id: line for line in (*ours.lines, *ours.cancelled_lines)}
    for key, item in _rows(raw.get("items")):
        line = lines.get(str(item.get("id"))) if isinstance(item, dict) else None
        texts = {"new", *(_texts(line) if line else ())}
        of_line: dict[str, Any] = {}
        _keep(of_line, item, _OF_LINE, texts)
        if properties := _properties(item):
            of_line["properties"] = properties
        if of_line:
            rest.setdefault("items", {}).setdefault(key, {}).update(of_line | _offer(rest, key, of_line))
    return rest


def _offer(rest: Mapping[str, Any], key: str, of_line: Mapping[str, Any]) -> dict[str, Any]:
    """Return the offer of a line with what was kept of it before."""
    before = rest.get("items", {}).get(key, {}).get("offer", {})
    return {"offer": {**before, **of_line["offer"]}} if "offer" in of_line else {}


def _texts(part: Any) -> set[str]:
    return {value for value in part.__dict__.values() if isinstance(value, str)}


def _rows(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [(str(key), row) for key, row in value.items()]
    return [(str(n), row) for n, row in enumerate(value)] if isinstance(value, list) else []


def _properties(item: Any) -> dict[str, Any]:
    """Return what an option has besides its name and its value, and values that are not one text."""
    result: dict[str, Any] = {}
    for key, entry in _rows(item.get("properties")) if isinstance(item, dict) else ():
        if isinstance(entry, dict):
            shown = {"name", *(() if isinstance(entry.get("value"), (dict, list)) else {"value"})}
            entry = {name: value for name, value in entry.items() if name not in shown and value != key}  # noqa: PLW2901
        elif not isinstance(entry, list):
            continue
        if entry:
            result[key] = entry
    return result


def _keep(rest: dict[str, Any], raw: Any, paths: Iterable[tuple[str, ...]], carried: Collection[str]) -> None:
    """Copy what `raw` has at each of the paths, unless it is nothing, or `carried`."""
    if not isinstance(raw, dict):
        return
    for steps in paths:
        value = raw.get(steps[0])
        for step in steps[1:]:
            value = value.get(step) if isinstance(value, dict) else None
        if value and not (isinstance(value, str) and value.strip() in carried):
            keep(rest, value, *steps)

"""The edit of an order in RetailCRM (docs.simla.com, "orders/edit"): what changed at the source, and nothing else.

An edit replaces the lists and objects that it has: so they are sent as they are there, with our changes in them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from schemas.changes import line_keys
from schemas.retailcrm_marks import mark_of, seal_of
from schemas.retailcrm_request import custom_fields_of, labels_to_skip
from schemas.retailcrm_texts import customer_comment, manager_comment, paths_of_comments

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schemas.changes import Changes
    from schemas.order import Order
    from schemas.retailcrm_held import EditedOrder, HeldLine
    from schemas.retailcrm_request import Codes, OrderRequest

#: Where the receiver is read from.
_PEOPLE: Final = ("shipping_address", "customer", "billing_address")
#: The fields of an order that have one value each, with the fields of the order that they depend on.
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "number": ("display_id",),
    **{
        name: tuple(f"{person}.{part}" for person in _PEOPLE for part in ("first_name", "middle_name", "last_name"))
        for name in ("firstName", "lastName", "patronymic")
    },
    "phone": tuple(f"{person}.{part}" for person in _PEOPLE for part in ("phone", "phone2")),
    "additionalPhone": tuple(f"{person}.{part}" for person in _PEOPLE for part in ("phone", "phone2")),
    "email": tuple(f"{person}.email" for person in _PEOPLE),
    "shipmentDate": ("shipping.ship_on",),
}
_STREET: Final = ("company", "street1", "street2", "country")
_DELIVERY: Final[Mapping[str, tuple[str, ...]]] = {
    "date": ("shipping.promised_on",),
    "time": ("shipping.promised_from", "shipping.promised_until", "shipping.promised_text"),
}
_ADDRESS: Final[Mapping[str, tuple[str, ...]]] = {
    "index": ("shipping_address.postal_code",),
    "countryIso": ("shipping_address.country",),
    "region": ("shipping_address.region",),
    "city": ("shipping_address.city",),
    "text": tuple(f"shipping_address.{part}" for part in _STREET),
    "notes": ("shipping.note",),
}
#: What RetailCRM or people took from the text of the former address.
_PARTS: Final = (
    *("street", "streetId", "streetType", "building", "house", "housing", "block", "flat", "floor", "metro"),
    *("regionId", "cityId", "cityType", "id"),
)
_LINE: Final[Mapping[str, tuple[str, ...]]] = {
    "productName": ("name",),
    "quantity": ("quantity",),
    "initialPrice": ("unit_price", "discount", "quantity"),
    "discountManualAmount": ("unit_price", "discount", "quantity"),
    "purchasePrice": ("purchase_price",),
    "comment": ("note",),
    "properties": (*("options", "sku", "ean", "brand", "supplier", "category", "weight", "gift_wrap", "custom"),),
}
#: The leaves of a line that change what the customer pays.
_AMOUNTS: Final = frozenset({"quantity", "unit_price", "discount", "tax"})


def edit_of(request: OrderRequest, order: Order, changes: Changes, there: EditedOrder, codes: Codes) -> dict[str, Any]:
    """Return the body of the edit; empty if nothing that RetailCRM has changed. null empties a field."""
    new = request.body()
    body = _changed(new, _FIELDS, changes)
    if changes.touches("status") and "status" in new:
        body["status"] = new["status"]
    _comments(body, order, changes, there, codes)
    if delivery := _delivery(new["delivery"], changes, there.delivery):
        body["delivery"] = delivery
    touched = {code: None for path, code in codes.custom.items() if changes.touches(path)}
    if touched:
        body["customFields"] = {**there.custom_fields, **touched, **_only(custom_fields_of(order, codes), touched)}
    pays = _pays_otherwise(changes)
    if pays:
        body["discountManualAmount"] = new.get("discountManualAmount", Decimal(0))
    items = _items(new["items"], order, changes, there.items, extras=pays)
    if items is not None:
        body["items"] = items
    return body


def _changed(new: Mapping[str, Any], fields: Mapping[str, tuple[str, ...]], changes: Changes) -> dict[str, Any]:
    """Return the fields that changed; null for one that was emptied, where it is known that it had a value of ours."""
    changed = {name: new.get(name) for name, paths in fields.items() if changes.touches(*paths)}
    return changed if changes.known else {name: value for name, value in changed.items() if value is not None}


def _comments(body: dict[str, Any], order: Order, changes: Changes, there: EditedOrder, codes: Codes) -> None:
    touched = changes.touches if changes.known else None
    of_customer, of_manager = paths_of_comments()
    if changes.touches(*of_customer):
        comment = customer_comment(order, there.customer_comment or "", touched)
        if comment or touched:
            body["customerComment"] = comment
    if changes.touches(*of_manager):
        comment = manager_comment(order, labels_to_skip(order, codes), there.manager_comment or "", touched)
        if (comment or touched) and comment != there.manager_comment:
            body["managerComment"] = comment


def _delivery(new: dict[str, Any], changes: Changes, there: dict[str, Any]) -> dict[str, Any] | None:
    """Return the delivery as it is there, with what changed at the source."""
    delivery = _changed(new, _DELIVERY, changes)
    if changes.touches("totals.shipping"):
        delivery["cost"] = new.get("cost", Decimal(0))
    if changes.touches("shipping.method") and "code" in new:
        delivery["code"] = new["code"]
    address = _changed(new["address"], _ADDRESS, changes)
    if address:
        before = there.get("address")
        before = dict(before) if isinstance(before, dict) else {}
        for part in _PARTS if "text" in address or "city" in address else ():
            before.pop(part, None)
        delivery["address"] = {**before, **address}
    return {**there, **delivery} if delivery else None


def _pays_otherwise(changes: Changes) -> bool:
    return changes.touches("totals") or bool(
        changes.added or not changes.known or any(leaves & _AMOUNTS for leaves in changes.lines.values())
    )


def _items(
    new: list[dict[str, Any]], order: Order, changes: Changes, there: Iterable[HeldLine], *, extras: bool
) -> list[dict[str, Any]] | None:
    """Return all lines of the order after the edit; None if no line changes.

    Lines that people added stay, and lines of ours that did not change stay as they are; one that people removed is not
    created again. With `extras`, the lines for fees and tax are written too.
    """
    keys = {mark_of(order, key): key for key in line_keys(order)}
    ours = {_mark(item): item for item in new}
    seal, items, seen, changed = seal_of(order), [], set[str](), False
    for line in there:
        mark = next((mark for mark in line.marks if mark.startswith(seal)), None)
        if mark is None or mark in seen:
            items.append(_as_it_is(line))
            continue
        seen.add(mark)
        if mark not in ours and (extras or "+" not in mark.removeprefix(seal)[:1]):
            changed = True  # it is gone at the source
            continue
        if mark not in ours:
            items.append(_as_it_is(line))
            continue
        leaves = changes.lines.get(keys.get(mark, ""), frozenset())
        update = _of_line(ours[mark], leaves) if mark in keys else _of_extra(ours[mark], line) if extras else {}
        if not changes.known:
            update = {name: value for name, value in update.items() if value is not None}
        changed = changed or bool(update)
        items.append({**_as_it_is(line), **update})
    for mark, item in ours.items():
        wanted = keys[mark] in changes.added or keys[mark] in changes.lines if mark in keys else extras
        if mark not in seen and wanted:
            changed = True
            items.append(item)
    return items if changed else None


def _mark(item: Mapping[str, Any]) -> str:
    return str(item["externalIds"][0]["value"])


def _as_it_is(line: HeldLine) -> dict[str, Any]:
    fields = {"id": line.id, "quantity": line.quantity, "initialPrice": line.initial_price}
    return {name: value for name, value in fields.items() if value is not None}


def _of_line(item: Mapping[str, Any], leaves: frozenset[str]) -> dict[str, Any]:
    """Return what changed of a line. An amount that was removed is 0, any other field null."""
    empty = {"discountManualAmount": Decimal(0)}
    return {name: item.get(name, empty.get(name)) for name, paths in _LINE.items() if leaves & set(paths)}


def _of_extra(item: Mapping[str, Any], line: HeldLine) -> dict[str, Any]:
    """Return the new amount of fees or tax, if it is another one."""
    return {} if item["initialPrice"] == line.initial_price else {"initialPrice": item["initialPrice"]}


def _only(fields: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name in names}

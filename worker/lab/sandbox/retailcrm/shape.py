"""The order of RetailCRM, with the peculiarities of PHP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from worker.lab.sandbox.wire import without_none

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from worker.lab.sandbox.drafts import Draft, DraftLine

STATUSES: Final = {
    "new": "new",
    "paid": "prepayed",
    "processing": "assembling",
    "shipped": "delivering",
    "delivered": "complete",
    "cancelled": "cancel-other",
}
_WRITABLE: Final = (
    "number externalId orderType orderMethod privilegeType countryIso currency createdAt discountManualAmount "
    "discountManualPercent mark lastName firstName patronymic phone additionalPhone email call customerComment "
    "managerComment managerId customer contact company contragent delivery site status statusComment source items "
    "payments weight length width height shipmentStore shipmentDate shipped customFields"
)
#: The fields that a caller may set; any other field of a posted order is ignored.
WRITABLE: Final = frozenset(_WRITABLE.split())
EDITABLE: Final = WRITABLE - {"externalId", "site", "createdAt", "payments"}
_ITEM: Final = (
    "id externalId externalIds initialPrice discountManualAmount discountManualPercent vatRate quantity status comment "
    "productName offer properties priceType purchasePrice"
)
_ITEM_WRITABLE: Final = frozenset(_ITEM.split())
#: The values of fields that an order has unless it states others.
POSTED: Final[dict[str, Any]] = {
    "bonusesCreditTotal": 0,
    "bonusesChargeTotal": 0,
    "orderType": "eshop-individual",
    "orderMethod": "shopping-cart",
    "privilegeType": "none",
    "prepaySum": 0,
    "purchaseSumm": 0,
    "call": False,
    "expired": False,
    "contragent": {"contragentType": "individual"},
    "delivery": {"cost": 0, "netCost": 0},
    "status": "new",
    "items": [],
    "payments": [],
    "shipped": False,
}
_UNIT: Final = {"code": "pcs", "name": "Штука", "sym": "шт."}
_TIME: Final = "%Y-%m-%d %H:%M:%S"


def local(moment: float, zone: ZoneInfo) -> str:
    """Return a moment as the account writes it: local time without a zone, to the second."""
    return f"{datetime.fromtimestamp(int(moment), zone):{_TIME}}"


def php_map(value: Any) -> Any:
    """Return a map as PHP writes it: an empty one is `[]`, as PHP cannot tell it from an empty list."""
    return value or []


def with_payment_map(order: dict[str, Any]) -> dict[str, Any]:
    """Return an order as reads have it: with its payments in a map by id."""
    payments = order.get("payments")
    if isinstance(payments, list) and all(isinstance(p, dict) and "id" in p for p in payments):
        payments = php_map({str(p["id"]): p for p in payments})
    return {**order, "payments": payments}


def with_payment_list(order: dict[str, Any]) -> dict[str, Any]:
    """Return an order as writes and the history have it: with its payments in a list."""
    payments = order.get("payments")
    return {**order, "payments": list(payments.values()) if isinstance(payments, dict) else payments}


def minimal(order: dict[str, Any]) -> dict[str, Any]:
    """Return the few fields of an order that a history record shows, unless it records the creation."""
    return {key: order[key] for key in ("id", "externalId", "site", "status", "managerId") if key in order}


def from_draft(draft: Draft, zone: ZoneInfo, site: str, new_id: Callable[[], int]) -> dict[str, Any]:
    """Return an order that was placed in a shop; `new_id` numbers items, payments and customers."""
    money = draft.money
    created = local(draft.created, zone)
    number = new_id()
    shares = _discount_shares(draft)
    items = [_item(draft, line, share, created, new_id()) for line, share in zip(draft.lines, shares, strict=True)]
    paid = [p for p in draft.payments if p.paid is not None]
    active = draft.active_lines()
    discount = sum(round(line.discount * line.quantity) for line in active)
    return {
        **POSTED,
        "number": draft.number,
        "orderType": "eshop-legal" if draft.company else "eshop-individual",
        "countryIso": draft.country.iso,
        "currency": draft.country.currency,
        "createdAt": created,
        "statusUpdatedAt": created,
        "summ": money(draft.goods_total() + discount),
        "totalSumm": money(draft.goods_total() - draft.discount + draft.shipping),
        "prepaySum": money(sum(p.amount for p in paid)),
        "purchaseSumm": money(sum(round((line.purchase_price or 0) * line.quantity) for line in active)),
        "markDatetime": created,
        "firstName": draft.first_name,
        "customer": _customer(draft, number, created, site),
        "contragent": {"contragentType": "legal-entity" if draft.company else "individual"},
        "delivery": _delivery(draft, zone),
        "site": site,
        "status": STATUSES[draft.status],
        "items": items,
        "payments": [
            without_none(
                id=new_id(),
                status="not-paid" if p.paid is None else "paid",
                type=p.method,
                amount=money(p.amount),
                paidAt=None if p.paid is None else local(p.paid, zone),
            )
            for p in draft.payments
        ],
        "fromApi": False,
        "shipped": draft.status in {"shipped", "delivered"},
        "customFields": php_map(draft.custom),
        **without_none(
            externalId=draft.external_id,
            discountManualAmount=money(draft.discount) if draft.discount else None,
            lastName=draft.last_name,
            phone=draft.phone,
            email=draft.email,
            customerComment=draft.comment,
            managerComment=draft.note,
            company={"id": number, "name": draft.company} if draft.company else None,
            fullPaidAt=local(draft.payments[-1].paid or 0, zone) if paid and len(paid) == len(draft.payments) else None,
        ),
    }


def _customer(draft: Draft, number: int, created: str, site: str) -> dict[str, Any]:
    return {
        "type": "customer_corporate" if draft.company else "customer",
        "id": number,
        "isContact": False,
        "createdAt": created,
        "vip": False,
        "bad": False,
        "site": site,
        "contragent": {"contragentType": "individual"},
        "tags": [],
        "customFields": [],
        "segments": [],
        "firstName": draft.first_name,
        **without_none(lastName=draft.last_name, email=draft.email),
        "phones": [{"number": draft.phone}] if draft.phone else [],
    }


def _delivery(draft: Draft, zone: ZoneInfo) -> dict[str, Any]:
    text = ", ".join(filter(None, (draft.region, draft.city, draft.street, draft.building, draft.flat)))
    day = None if draft.promised is None else local(draft.promised, zone)[:10]
    return {
        **without_none(code="courier" if draft.shipping else None),
        "cost": draft.money(draft.shipping),
        "netCost": 0,
        **without_none(date=day, time={"from": "10:00", "to": "18:00"} if day else None),
        "address": without_none(
            index=draft.postcode,
            countryIso=draft.country.iso,
            region=draft.region,
            city=draft.city,
            street=draft.street,
            building=draft.building,
            flat=draft.flat,
            text=text,
        ),
    }


def _discount_shares(draft: Draft) -> list[int]:
    """Return each line's share of the order's discount, in proportion; the dearest takes the rest."""
    goods, left = draft.goods_total(), draft.discount
    shares = [0] * len(draft.lines)
    if not left or not goods:
        return shares
    values = {
        n: round((line.price - line.discount) * line.quantity)
        for n, line in enumerate(draft.lines)
        if not line.cancelled
    }
    for n, value in values.items():
        shares[n] = min(left, value * draft.discount // goods)
        left -= shares[n]
    if values:
        shares[max(values, key=lambda n: values[n])] += left
    return shares


def _item(draft: Draft, line: DraftLine, share: int, created: str, number: int) -> dict[str, Any]:
    """Return an item; `discountTotal` is per piece and includes the order's discount, `prices` are those charged."""
    money = draft.money
    total = round((line.price - line.discount) * line.quantity) - share
    pieces = round(line.quantity)
    if share and pieces == line.quantity and total >= 0:
        low, odd = divmod(total, pieces)
        prices = [{"price": money(low), "quantity": pieces - odd}]
        if odd:
            prices.append({"price": money(low + 1), "quantity": odd})
        per_piece = line.price - total / pieces
    else:
        charged = line.price - line.discount - share / line.quantity
        per_piece = line.price - charged
        price = money(round(charged)) if charged == round(charged) else round(charged / 10**draft.country.decimals, 6)
        prices = [{"price": price, "quantity": line.quantity}]
    return {
        "bonusesChargeTotal": 0,
        "bonusesCreditTotal": 0,
        "markingCodes": [],
        "discounts": [{"type": "manual_product", "amount": money(line.discount)}] if line.discount else [],
        "id": number,
        "initialPrice": money(line.price),
        **({"discountManualAmount": money(line.discount)} if line.discount else {}),
        "discountTotal": money(round(per_piece)),
        "prices": prices,
        "vatRate": line.vat,
        "createdAt": created,
        "quantity": line.quantity,
        "status": "new",
        **without_none(comment=line.comment, isCanceled=True if line.cancelled else None),
        "offer": {
            "displayName": line.name,
            "id": int(line.sku[4:]) + 1,
            "externalId": line.sku[4:],
            "name": line.name,
            "article": line.sku,
            "vatRate": line.vat,
            "properties": php_map({}),
            "unit": _UNIT,
        },
        "properties": php_map({k: {"code": k, "name": k.title(), "value": v} for k, v in line.options.items()}),
        **without_none(purchasePrice=None if line.purchase_price is None else money(line.purchase_price)),
    }


def posted_items(
    items: list[dict[str, Any]], old_items: dict[int, dict[str, Any]], now: str, new_id: Callable[[], int]
) -> list[dict[str, Any]]:
    """Return the items of a posted order; one with the id of an old item changes that item, any other is new."""
    result = []
    for posted in items:
        before = old_items.get(posted["id"]) if isinstance(posted.get("id"), int) else None
        name = posted.get("productName") or ""
        item = {
            **(before or {"createdAt": now, "status": "new", "discounts": [], "markingCodes": [], "vatRate": "none"}),
            **{key: value for key, value in posted.items() if key in _ITEM_WRITABLE},
        }
        item["id"] = before["id"] if before else new_id()
        item["quantity"] = float(item.get("quantity", 1))
        item["initialPrice"] = item.get("initialPrice", 0)
        item["properties"] = php_map(item.get("properties"))
        item.setdefault("offer", {"displayName": name, "name": name})
        result.append(item)
    return result


def is_local_time(text: object) -> bool:
    """Return whether this is a time in the only accepted form, `Y-m-d H:i:s`."""
    try:
        return isinstance(text, str) and f"{datetime.strptime(text, _TIME).replace(tzinfo=UTC):{_TIME}}" == text
    except ValueError:
        return False

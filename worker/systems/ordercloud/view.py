"""The fields by which an order in OrderCloud is compared with its source."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from schemas.order import Status
from schemas.ordercloud_place import bill_to, ship_to
from schemas.ordercloud_request import comments_of
from worker.errors import Held
from worker.systems.ordercloud.content import content_of
from worker.systems.view import digits, lines_of, listing, money, number, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.order import Order
    from schemas.ordercloud_place import Place
    from worker.systems.ordercloud.content import Options
    from worker.systems.view import Side, View

_ZERO: Final = Decimal(0)
#: Fields of the view, and of an address in OrderCloud.
_PLACE: Final = {
    "first_name": "FirstName", "last_name": "LastName", "company": "CompanyName", "postal_code": "Zip", "city": "City",
    "region": "State", "country": "Country",
}  # fmt: skip


def order_view(order: Order, side: Side, options: Options, target: str) -> View:
    """Return the view of an order.

    The source is compared as it is written: a line may be two in OrderCloud, so quantities and amounts are those of a
    product. Amounts are compared only if we set the prices. An order that would be held has no goods and no amounts to
    be compared, and an address that is not sent is not compared.
    """
    goods: dict[str, Decimal] = {}
    prices: dict[str, Decimal] = {}
    amounts: dict[str, Decimal | None] = {}
    if side == "target":
        for line in order.lines:
            _add(goods, line.product_id or "", line.quantity)
            _add(prices, line.product_id or "", line.subtotal)
        stated = order.totals
        amounts = {"shipping": stated.shipping, "tax": stated.tax, "fees": stated.fees, "total": stated.grand}
        amounts = {name: amount or _ZERO for name, amount in amounts.items()}
    else:
        try:
            content = content_of(order, options, target)
        except Held:
            content = None
        for request in content.lines if content else ():
            _add(goods, request.product_id, Decimal(request.quantity))
            _add(prices, request.product_id, (request.unit_price or _ZERO) * request.quantity)
        if content and content.amounts:
            sent = content.amounts
            amounts = {"shipping": sent.shipping, "tax": sent.tax, "fees": sent.gratuity, "total": sent.total}
    ours = options.prices == "ours"
    cancelled = "yes" if order.status is Status.CANCELLED else ""
    return {
        "goods": _listing(f"{number(quantity)} x {product}" for product, quantity in goods.items()),
        "prices": _listing(f"{product} for {money(price)}" for product, price in prices.items()) if ours else "",
        **{name: money(amounts.get(name)) if ours else "" for name in ("shipping", "tax", "fees", "total")},
        **_address(ship_to(order, options.country)[0], ""),
        **_address(bill_to(order, options.country), "billing_"),
        "note": lines_of(comments_of(order)) if side == "source" else lines_of(order.note),
        "cancelled": cancelled if side == "source" else cancelled or "no",
    }


def _add(sums: dict[str, Decimal], product: str, amount: Decimal) -> None:
    sums[product] = sums.get(product, _ZERO) + amount


def _listing(items: Iterable[str]) -> str:
    texts = list(items)
    return listing(texts) if texts else ""


def _address(place: Place, prefix: str) -> dict[str, str]:
    texts = {name: text_of(place.get(field)) for name, field in _PLACE.items()}
    texts |= {"street": text_of(place.get("Street1"), place.get("Street2")), "phone": digits(place.get("Phone"))}
    return {f"{prefix}{name}": text for name, text in texts.items()}

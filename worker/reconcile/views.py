"""What a target of each kind can hold of an order, read the same from both sides.

A field is compared only where a view names it, and only where the source says something: what a target cannot hold, or
fills in by itself, is no difference. No view has statuses (people move them in the target), internal notes (people
write theirs), currencies (no target but an OrderCloud user has one), or times.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, Final, Literal

from schemas.country import name_of
from schemas.order import Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.order import Address, Customer, Order

#: Whose order is read: the source's, which the target was given, or what stands in the target now.
Side = Literal["source", "target"]
#: The order, the target's options, whose it is; answers texts by field, "" for what is not said.
View = Callable[["Order", Any, Side], dict[str, str]]

_CODE: Final = re.compile(r"[A-Z]{2}")
_CENT: Final = Decimal("0.01")
#: What OrderCloud's target rounds the discount of one piece to.
_PIECE: Final = Decimal("0.0001")


def _text(*parts: str | None) -> str:
    """Blanks and the ways to write an accent are not the order's."""
    joined = ", ".join(filter(None, parts))
    return " ".join(unicodedata.normalize("NFC", joined).split())


def _money(value: Decimal | None) -> str:
    return "" if value is None else f"{value.quantize(_CENT, ROUND_HALF_UP):f}"


def _number(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _digits(phone: str | None) -> str:
    return re.sub(r"\D", "", phone or "")


def _list(items: Iterable[str]) -> str:
    found = sorted(items)
    return f"{len(found)}: " + "; ".join(found)


def _place(to: Address) -> dict[str, str]:
    return {"postal_code": _text(to.postal_code), "city": _text(to.city), "region": _text(to.region)}


def _names(named: Address | Customer) -> dict[str, str]:
    return {"first_name": _text(named.first_name), "last_name": _text(named.last_name)}


def retailcrm(order: Order, options: Any, side: Side) -> dict[str, str]:
    """RetailCRM reckons the total itself: fees, and tax on top, have no field; it knows lines by their names.

    Streets go into one text with the company; a country is a code. Somebody may be charged or shipped to who cancelled,
    so a cancelled order has to be cancelled there, where `status_map` says by which code.
    """
    to, customer, totals = order.shipping_address, order.customer, order.totals
    code = to.country if to.country and _CODE.fullmatch(to.country) else None
    net = sum((line.subtotal for line in order.lines), Decimal(0)) + (totals.shipping or 0) - (totals.discount or 0)
    street = (to.company, to.street1, to.street2, None if code else to.country)
    cancelled = order.status is Status.CANCELLED
    if side == "source":
        cancels = "yes" if cancelled and Status.CANCELLED in options.status_map else ""
    else:
        cancels, street = ("yes" if cancelled else "no"), (to.street1, to.street2, None, None)
    return {
        "total": _money(net if side == "source" or totals.grand is None else totals.grand),
        "shipping": _money(totals.shipping or Decimal(0)),
        "goods": _list(f"{_number(line.quantity)} x {_text(line.name)}" for line in order.lines),
        "prices": _list(f"{_text(line.name)} at {_money(line.unit_price)}" for line in order.lines),
        **_names(to if to.first_name or to.last_name else customer),
        "email": _text(to.email or customer.email),
        "phone": _digits(to.phone or customer.phone),
        "street": _text(*street),
        **_place(to),
        "country": code or "",
        "promised_on": order.shipping.promised_on or "",
        "note": _text(*(order.note or "").split("\n"), *(order.gift_message or "").split("\n")),
        "cancelled": cancels,
    }


def dropday(order: Order, options: Any, side: Side) -> dict[str, str]:
    """Dropday keeps what it was posted: the total as it was reckoned, prices before discounts, no changes.

    What it requires and the order lacks is the account's placeholder there.
    """
    to, customer, said = order.shipping_address, order.customer, order.shipping
    country = name_of(to.country) if to.country and side == "source" and options.country == "name" else to.country
    found = {
        "total": _money(order.grand_total),
        "shipping": _money(order.totals.shipping),
        "goods": _list(f"{_number(line.quantity)} x {_text(line.sku)} {_text(line.name)}" for line in order.lines),
        "prices": _list(f"{_text(line.sku, line.name)} at {_money(line.unit_price)}" for line in order.lines),
        **_names(to if to.first_name or to.last_name or to.company else customer),
        "email": _text(to.email or customer.email),
        "phone": _digits(to.phone or customer.phone),
        "street": _text(to.street1, to.street2),
        **_place(to),
        "country": _text(country),
        "promised_on": said.promised_on or "",
        "note": _text(said.note or order.note) if side == "source" else _text(said.note),
    }
    return {name: "" if text == options.placeholder else text for name, text in found.items()}


def ordercloud(order: Order, options: Any, side: Side) -> dict[str, str]:
    """OrderCloud knows lines by their products; the price of one piece, after its discount, only if prices are ours.

    It reckons the total from them. An address without a street, a place or a country is none there, and is not sent.
    """
    to, customer = order.shipping_address, order.customer
    sent = side == "target" or bool(to.street1 or to.city or to.postal_code or to.country)
    named: Any = to if to.first_name or to.last_name or to.company or side == "target" else customer
    ours = options.prices == "ours"
    goods, prices = [], []
    for line in order.lines:
        product = options.product_map.get(line.sku, line.sku) if side == "source" else line.product_id
        piece = line.unit_price
        if side == "source" and line.discount and line.quantity:
            piece -= (line.discount / line.quantity).quantize(_PIECE)
        goods.append(f"{_number(line.quantity)} x {product}")
        prices.append(f"{product} at {_number(piece)}")
    place = {
        **_names(named),
        "company": _text(named.company),
        "street": _text(to.street1, to.street2),
        **_place(to),
        "country": _text(to.country),
        "phone": _digits(to.phone or (customer.phone if side == "source" else None)),
    }
    cancelled = order.status is Status.CANCELLED
    return {
        "goods": _list(goods),
        "prices": _list(prices) if ours else "",
        "shipping": _money(order.totals.shipping or Decimal(0)) if ours else "",
        **(place if sent else dict.fromkeys(place, "")),
        "note": _text(*(order.note or "").split("\n"), *(order.gift_message or "").split("\n")),
        "cancelled": ("yes" if cancelled else "") if side == "source" else ("yes" if cancelled else "no"),
    }


def dropboy(order: Order, options: Any, side: Side) -> dict[str, str]:  # noqa: ARG001  # as all views
    """Dropboy carries one piece to a place: cargo has no prices, a phone and a note are written in its own way."""
    to, customer = order.shipping_address, order.customer
    named: Any = to if to.first_name or to.last_name or to.company else customer
    return {
        "name": " ".join(_text(named.first_name, named.last_name).replace(",", " ").split()),
        "company": _text(named.company),
        "email": _text(to.email or customer.email),
        "street": _text(to.street1, to.street2),
        "postal_code": _text(to.postal_code),
        "city": _text(to.city),
    }


#: By the kind of the target; a kind without one is compared by presence alone.
VIEWS: Final[Mapping[str, View]] = {
    "retailcrm": retailcrm,
    "dropday": dropday,
    "ordercloud": ordercloud,
    "dropboy": dropboy,
}


def differing(there: Mapping[str, str], here: Mapping[str, str]) -> tuple[str, ...]:
    """The fields that the source (`there`) says and the target (`here`) has not so."""
    return tuple(name for name, text in there.items() if text and here.get(name) != text)

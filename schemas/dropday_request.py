"""The order that Dropday is sent (docs.dropday.io, "Create an order"; what its own plugins for shops send)."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import msgspec

from schemas.countries import country_code
from schemas.minor_units import to_unit
from schemas.receiver import contact_of, given_names, receiver_of
from schemas.remarks import is_email, is_phone, remarks
from schemas.values import usual_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from schemas.order import Address, Line, Order

#: The parts of an address that Dropday requires.
_REQUIRED: Final = ("first_name", "last_name", "address1", "postcode", "city", "country")
#: A number that Dropday can take for an EAN: its plugins leave out any other.
_EAN: Final = re.compile(r"[0-9]{13,14}")
_URL: Final = re.compile(r"https?://\S+")
#: What the receiver and the carrier need and Dropday has no field for: it goes into the note of the shipping.
_NOTED: Final = (
    "shipping_note", "note", "gift_message", "purchase_order", "promised_hours", "promised_text", "ship_on",
    "cancel_after", "signature", "insured", "account", "pickup_point", "tracking_number", "phone2",
)  # fmt: skip


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a request. A key without a value is left out.

    Its values are those of an order, which was validated when it was read.
    """


class Receiver(Request, frozen=True, kw_only=True):
    """The receiver of the goods; `address1` is street and number."""

    first_name: str | None = None
    last_name: str | None = None
    company_name: str | None = None
    address1: str | None = None
    address2: str | None = None
    postcode: str | None = None
    city: str | None = None
    state: str | None = None
    country: str | None = None
    phone: str | None = None


class Shipping(Request, frozen=True, kw_only=True):
    """The requested shipping: `name` is the carrier; `delivery_date` is written DD-MM-YYYY."""

    name: str | None = None
    description: str | None = None
    cost: Decimal
    note: str | None = None
    delivery_date: str | None = None


class Product(Request, frozen=True, kw_only=True):
    """One line. `price` is for one piece before discounts: the total of the order has them."""

    external_id: str
    ean13: str | None = None
    name: str
    reference: str | None = None
    quantity: Decimal
    stock_quantity: Decimal | None = None
    price: Decimal
    purchase_price: Decimal | None = None
    image_url: str | None = None
    brand: str | None = None
    category: str | None = None
    supplier: str | None = None
    #: In kilograms. The docs do not name it; the plugin for PrestaShop sends it.
    weight: Decimal | None = None
    custom: dict[str, Any] | None = None


class OrderRequest(Request, frozen=True, kw_only=True):
    """`POST /orders`. The cost of shipping is sent in its old and in its new place, 0 if nothing is known."""

    external_id: str
    source: str
    test: bool
    total: Decimal
    shipping_cost: Decimal
    email: str | None = None
    shipping_address: Receiver
    shipping: Shipping
    products: tuple[Product, ...]
    #: Read back with an order; the docs do not say that it can be sent.
    custom: dict[str, Any] | None = None

    def body(self) -> dict[str, Any]:
        """Return the body, with exact amounts and without unknown fields."""
        document: dict[str, Any] = msgspec.to_builtins(self, builtin_types=(Decimal,))
        return document

    def missing(self) -> list[str]:
        """Return the required fields that a placeholder can stand in."""
        return [f"shipping_address.{name}" for name in _REQUIRED if not getattr(self.shipping_address, name)]

    def unfit(self, *, whole: bool) -> list[str]:
        """Return the other fields that Dropday does not take; `whole` says that quantities are whole numbers."""
        fields = [] if self.products else ["products"]
        if self.total < 0:
            fields.append("total")
        for n, product in enumerate(self.products):
            if product.quantity < 0 or (whole and product.quantity % 1):
                fields.append(f"products.{n}.quantity")
        return fields

    def filled(self, placeholder: str) -> OrderRequest:
        """Return the request with `placeholder` in the required parts of the address that are missing."""
        to = self.shipping_address
        filled = msgspec.structs.replace(to, **{name: getattr(to, name) or placeholder for name in _REQUIRED})
        return msgspec.structs.replace(self, shipping_address=filled)

    @classmethod
    def of(
        cls, order: Order, reference: str, *, source: str, test: bool, country: Callable[[str], str]
    ) -> OrderRequest:
        """Return the request for an order; `country` writes a country as the account expects it."""
        to = receiver_of(order, named=True)
        cost = order.totals.shipping or Decimal(0)
        lines = [line for line in order.lines if line.quantity]  # a line with the quantity 0 has no goods
        return cls(
            external_id=reference,
            source=source,
            test=test,
            total=total_of(order),
            shipping_cost=cost,
            email=to.email if is_email(to.email) else None,
            shipping_address=_receiver(to, country),
            shipping=shipping_of(order),
            products=tuple(map(_product, lines, ids_of(lines))),
            custom=_custom(order) or None,
        )


def total_of(order: Order) -> Decimal:
    """Return what the customer pays. A calculated total is rounded to what can be paid."""
    if order.totals.grand is not None:
        return order.totals.grand
    total = to_unit(order.grand_total, order.currency)
    plain = usual_number(total)
    return total if plain is None else plain


def _receiver(to: Address, country: Callable[[str], str]) -> Receiver:
    return Receiver(
        first_name=given_names(to),
        last_name=to.last_name,
        company_name=to.company,
        address1=to.street1,
        address2=to.street2,
        postcode=to.postal_code,
        city=to.city,
        state=to.region,
        country=country(code) if (code := country_code(to.country or "")) else None,
        phone=to.phone if is_phone(to.phone) else None,
    )


def shipping_of(order: Order) -> Shipping:
    """Return the shipping: the carrier by name with its service, or the service alone."""
    shipping = order.shipping
    others = (shipping.method, shipping.description) if shipping.carrier else (shipping.description,)
    return Shipping(
        name=shipping.carrier or shipping.method,
        description="; ".join(dict.fromkeys(filter(None, others))) or None,
        cost=order.totals.shipping or Decimal(0),
        note="\n".join(filter(None, (remarks(order, *_NOTED), *_unsent(order)))) or None,
        delivery_date=_written(shipping.promised_on),
    )


def _unsent(order: Order) -> Iterator[str | None]:
    """Yield what does not fit into its field: an address, a number, a country and a day that is none."""
    to, country = contact_of(order), order.shipping_address.country
    if to.email and not is_email(to.email):
        yield remarks(order, "email")
    if to.phone and not is_phone(to.phone):
        yield remarks(order, "phone")
    if country and not country_code(country):
        yield f"Country: {country}"
    if order.shipping.promised_on and not _written(order.shipping.promised_on):
        yield f"Promised on: {order.shipping.promised_on}"


def _written(day: str | None) -> str | None:
    """Return a day as DD-MM-YYYY; None for one that the calendar does not have, such as 2024-02-30."""
    with suppress(ValueError):
        return "-".join(reversed(str(date.fromisoformat(day)).split("-"))) if day else None
    return None


def ids_of(lines: list[Line]) -> list[str]:
    """Return an id for each line. The shop's own ids may repeat, as the plugin for PrestaShop's do; others do not."""
    known = [line.product_id or line.sku or line.ean for line in lines]
    taken, ids = set(filter(None, known)), list[str]()
    for n, (line, own) in enumerate(zip(lines, known, strict=True), 1):
        chosen = own or next(text for text in _made_up(line, n) if text not in taken)
        taken.add(chosen)
        ids.append(chosen)
    return ids


def _made_up(line: Line, position: int) -> Iterator[str]:
    """Yield ids for a line whose product has none: that of the line, then ones made from its position."""
    if line.id:
        yield line.id
    yield f"line-{position}"
    yield from (f"line-{position}-{n}" for n in count(2))


def _product(line: Line, external_id: str) -> Product:
    """Return the product of a line. Its `stock_quantity` comes from the line's `custom`: a line has no such field."""
    custom = {**line.custom, **_chosen(line), **_extras(line)}
    stock = custom.get("stock_quantity")
    stock = None if isinstance(stock, str) else usual_number(stock)
    if stock is not None:
        del custom["stock_quantity"]
    return Product(
        external_id=external_id,
        ean13=line.ean if line.ean and _EAN.fullmatch(line.ean) else None,
        name=line.name,
        reference=line.sku,
        quantity=line.quantity,
        stock_quantity=stock,
        price=line.unit_price,
        purchase_price=line.purchase_price,
        image_url=line.image_url if _is_url(line.image_url) else None,
        brand=line.brand,
        category=line.category,
        supplier=line.supplier,
        weight=line.weight,
        custom=custom or None,
    )


def _chosen(line: Line) -> dict[str, str]:
    """Return the options by name. The values of options that share a name are joined."""
    chosen: dict[str, str] = {}
    for option in line.options:
        chosen[option.name] = f"{chosen[option.name]}, {option.value}" if option.name in chosen else option.value
    return chosen


def _extras(line: Line) -> Mapping[str, Any]:
    """Return the facts of a line that Dropday has no field for."""
    extras = {
        "note": line.note,
        "gift_wrap": line.gift_wrap or None,
        "ean": None if line.ean and _EAN.fullmatch(line.ean) else line.ean,
        "image_url": None if _is_url(line.image_url) else line.image_url,
        "tax": line.tax,
        "discount": line.discount or None,
    }
    return {name: value for name, value in extras.items() if value is not None}


def _is_url(text: str | None) -> bool:
    return bool(text and _URL.fullmatch(text))


def _custom(order: Order) -> dict[str, Any]:
    """Return the account's own fields of an order, and the facts that only people look up."""
    totals = order.totals
    facts = {
        "order_number": order.display_id,
        "invoice_number": order.invoice_number,
        "tax_id": order.customer.tax_id,
        "currency": order.currency,
        "discount": totals.discount,
        "tax": totals.tax,
        "fees": totals.fees,
        "tags": list(order.tags),
        "discount_codes": list(order.discount_codes),
    }
    own = {name: value for name, value in order.custom.items() if name not in order.uncounted}
    return {**{name: value for name, value in facts.items() if value not in (None, [], 0)}, **own}

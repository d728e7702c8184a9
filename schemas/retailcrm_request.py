"""The requests that create an order in RetailCRM (Simla.com), API version 5 (docs.simla.com, "orders/create")."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from schemas.changes import line_keys
from schemas.countries import country_code
from schemas.order import Status
from schemas.receiver import receiver_of
from schemas.retailcrm_marks import MARK, extra_mark, mark_of
from schemas.retailcrm_prices import prices_of
from schemas.retailcrm_texts import customer_comment, field_of, labels_of, manager_comment, text_of
from schemas.values import Money, Number

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from schemas.order import Line, Order, Payment
    from schemas.retailcrm_prices import LinePrice

_CENT: Final = Decimal("0.01")
#: Digits enough for any amount, and for the sum of all lines.
_EXACT: Final = Context(prec=80)


class Request(BaseModel):
    """A part of a request. Fields that an order lacks are left out."""

    model_config = ConfigDict(
        defer_build=True, frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )


class Property(Request):
    """An option that the buyer chose, or another property of the goods."""

    code: str
    name: str
    value: str


class ExternalId(Request):
    """The id of a line in another system."""

    code: str
    value: str


class Item(Request):
    """One line. `discount_manual_amount` is for one piece. It names no offer: an unknown offer is refused."""

    external_ids: tuple[ExternalId, ...]
    product_name: str
    quantity: Number
    initial_price: Money
    discount_manual_amount: Money | None = None
    purchase_price: Money | None = None
    comment: str | None = None
    properties: dict[str, Property] | None = None


class DeliveryAddress(Request):
    """The address of a delivery. Our streets have house numbers, so they go into `text`, as the shop modules do."""

    index: str | None = None
    country_iso: str | None = None
    region: str | None = None
    city: str | None = None
    text: str | None = None
    notes: str | None = None


class Delivery(Request):
    """The delivery. `code` must be one of the account's, `date` is `YYYY-MM-DD`."""

    code: str | None = None
    cost: Money | None = None
    date: str | None = None
    time: dict[str, str] | None = None
    address: DeliveryAddress


class PaymentRequest(Request):
    """One payment. `type` must be one of the account's; `external_id` is unique in the whole account."""

    external_id: str
    type: str
    status: str | None = None
    amount: Money | None = None
    paid_at: str | None = None
    comment: str | None = None


class Codes(Request):
    """The account's own codes. What has none is written into the manager's comment: an unknown code is refused."""

    status: dict[Status, str] = {}
    delivery: dict[str, str] = {}
    payment: dict[str, str] = {}
    #: The code of the account's own field, by the path of the field of the order ("gift_message", "custom.nps").
    custom: dict[str, str] = {}
    #: The site, of which payments need to be unique ids.
    site: str = ""


class OrderRequest(Request):
    """The field `order` of `POST /orders/create`, and an item of the list `orders` of `POST /orders/upload`.

    RetailCRM calculates the total from items, discounts and delivery (see `schemas/retailcrm_prices.py`).
    """

    external_id: str
    number: str | None = None
    created_at: str
    currency: str | None = None
    status: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    patronymic: str | None = None
    phone: str | None = None
    additional_phone: str | None = None
    email: str | None = None
    customer_comment: str | None = None
    manager_comment: str | None = None
    shipment_date: str | None = None
    discount_manual_amount: Money | None = None
    delivery: Delivery
    items: tuple[Item, ...]
    payments: tuple[PaymentRequest, ...] | None = None
    custom_fields: dict[str, Any] | None = None

    def body(self) -> dict[str, Any]:
        """Return the body, with exact amounts and without unknown fields."""
        return self.model_dump(by_alias=True, exclude_none=True)

    @classmethod
    def of(cls, order: Order, reference: str, *, zone: tzinfo, currency: str | None, codes: Codes) -> OrderRequest:
        """Return the request for an order, with its times in `zone`; `currency` is for orders without one.

        Raise AmountError if RetailCRM would show another total than the customer pays.
        """
        to, prices = receiver_of(order), prices_of(order)
        keys = line_keys(order)
        items = [_item(order, *parts) for parts in zip(keys, order.lines, prices.lines, strict=True)]
        items += [_extra(order, name, amount) for name, amount in prices.extras.items()]
        return cls(
            external_id=reference,
            number=order.display_id,
            created_at=local(order.ordered_at, zone),
            currency=order.currency or currency,
            status=codes.status.get(order.status),
            first_name=to.first_name,
            last_name=to.last_name,
            patronymic=to.middle_name,
            phone=to.phone,
            additional_phone=to.phone2,
            email=to.email,
            customer_comment=customer_comment(order),
            manager_comment=manager_comment(order, labels_to_skip(order, codes)),
            shipment_date=order.shipping.ship_on,
            discount_manual_amount=prices.discount or None,
            delivery=_delivery(order, codes, prices.shipping),
            items=tuple(items),
            payments=payments_of(order, codes, zone) or None,
            custom_fields=custom_fields_of(order, codes) or None,
        )


def local(moment: datetime, zone: tzinfo) -> str:
    """Return a moment as RetailCRM reads and writes it, in the time zone of the account."""
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def labels_to_skip(order: Order, codes: Codes) -> set[str]:
    """Return the labels of the manager's comment for what the account has a code or a field of its own for."""
    skip = labels_of(codes.custom)
    if order.status in codes.status:
        skip.add("Status")
    if order.shipping.method in codes.delivery:
        skip.add("Shipping method")
    if all(payment.method in codes.payment for payment in order.payments):
        skip.add("Payments")
    return skip


def payments_of(order: Order, codes: Codes, zone: tzinfo) -> tuple[PaymentRequest, ...]:
    """Return the payments that the account has a code for, each with an id that is unique in the whole account."""
    text = f"{order.key}\0{codes.site}".encode(errors="surrogatepass")
    seal = blake2b(text, digest_size=8).hexdigest()
    return tuple(
        _payment(payment, codes.payment[payment.method], f"{MARK}-{seal}-{payment.id or n}", zone)
        for n, payment in enumerate(order.payments, 1)
        if payment.method in codes.payment
    )


def is_paid(payment: Payment) -> bool:
    """Return whether a payment is paid: by its time, by what its provider says, or else by the word "paid"."""
    if payment.paid_at or payment.paid is not None:
        return bool(payment.paid_at or payment.paid)
    return (payment.status or "").casefold() == "paid"


def _payment(payment: Payment, code: str, external_id: str, zone: tzinfo) -> PaymentRequest:
    return PaymentRequest(
        external_id=external_id,
        type=code,
        status="paid" if is_paid(payment) else None,
        amount=None if payment.amount is None else payment.amount.quantize(_CENT, ROUND_HALF_UP, _EXACT),
        paid_at=local(payment.paid_at, zone) if payment.paid_at else None,
        comment=payment.note,
    )


def custom_fields_of(order: Order, codes: Codes) -> dict[str, Any]:
    """Return the account's own fields. A list of texts is sent as such; what is no single value becomes text."""
    fields = {}
    for path, code in codes.custom.items():
        value = field_of(order, path)
        if value is None or value in ("", (), [], {}):
            continue
        plain = isinstance(value, (str, int, list)) and not isinstance(value, Status)
        fields[code] = value if plain else text_of(value)
    return fields


def properties_of(line: Line) -> dict[str, Property] | None:
    """Return the options of a line, and what RetailCRM has no other field for."""
    known: dict[str, Any] = {"sku": line.sku, "ean": line.ean, "brand": line.brand, "supplier": line.supplier}
    known |= {"category": line.category, "weight, kg": line.weight, "gift wrap": line.gift_wrap or None}
    texts = [(option.name, option.value) for option in line.options]
    texts += [(name, text) for name, value in {**known, **line.custom}.items() if (text := text_of(value))]
    return {f"p{n}": Property(code=f"p{n}", name=name, value=text) for n, (name, text) in enumerate(texts, 1)} or None


def _item(order: Order, key: str, line: Line, price: LinePrice) -> Item:
    return Item(
        external_ids=(ExternalId(code=MARK, value=mark_of(order, key)),),
        product_name=line.name,
        quantity=line.quantity,
        initial_price=price.unit,
        discount_manual_amount=price.piece or None,
        purchase_price=line.purchase_price,
        comment=line.note,
        properties=properties_of(line),
    )


def _extra(order: Order, name: str, amount: Money) -> Item:
    mark = ExternalId(code=MARK, value=extra_mark(order, name))
    return Item(external_ids=(mark,), product_name=name, quantity=Decimal(1), initial_price=amount)


def _delivery(order: Order, codes: Codes, cost: Money | None) -> Delivery:
    return Delivery(
        code=codes.delivery.get(order.shipping.method or ""),
        cost=cost,
        date=order.shipping.promised_on,
        time=hours_of(order) or None,
        address=address_of(order),
    )


def hours_of(order: Order) -> dict[str, str]:
    """Return the promised hours ("Differences between API v4 and v3")."""
    shipping = order.shipping
    parts = {"from": shipping.promised_from, "to": shipping.promised_until, "custom": shipping.promised_text}
    return {name: text for name, text in parts.items() if text}


def address_of(order: Order) -> DeliveryAddress:
    """Return the address. A country that is not a code goes into the text, where people read it."""
    to, shipping = receiver_of(order), order.shipping
    code = country_code(to.country) if to.country else None
    text = filter(None, (to.company, to.street1, to.street2, None if code else to.country))
    return DeliveryAddress(
        index=to.postal_code,
        country_iso=code,
        region=to.region,
        city=to.city,
        text=", ".join(text) or None,
        notes=shipping.note,
    )

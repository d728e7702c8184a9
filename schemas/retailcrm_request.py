"""The requests that create an order in RetailCRM (Simla.com), API version 5 (docs.simla.com, "orders/create")."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from schemas.countries import country_code
from schemas.order import Status
from schemas.retailcrm import Wire
from schemas.retailcrm_order import Offer
from schemas.values import Money, Number
from schemas.wire import List, Object

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from schemas.order import Line, Order, Payment

_CENTS: Final = -2
#: The fields that an edit does not change. Payments have calls of their own ("orders/payments/create" and others).
_SETTLED: Final = frozenset({"externalId", "createdAt", "currency", "payments"})


class Request(BaseModel):
    """A part of a request. Fields that an order lacks are left out."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Property(Request):
    """An option that the buyer chose, or another property of the goods."""

    code: str
    name: str
    value: str


class Item(Request):
    """One line. `discount_manual_amount` is for one piece. It names no offer: an unknown offer is refused."""

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
    address: DeliveryAddress


class PaymentRequest(Request):
    """One payment. `type` must be one of the account's."""

    type: str
    status: str | None = None
    amount: Money | None = None
    paid_at: str | None = None


class Codes(Request):
    """The account's own codes. A value without a code is left out, because an unknown code is refused."""

    status: dict[Status, str] = {}
    delivery: dict[str, str] = {}
    payment: dict[str, str] = {}


class OrderRequest(Request):
    """The field `order` of `POST /orders/create`, and an item of the list `orders` of `POST /orders/upload`.

    RetailCRM calculates the total from items, discounts and delivery: fees, and tax on top, have no field.
    """

    external_id: str
    number: str | None = None
    created_at: str
    currency: str | None = None
    status: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    email: str | None = None
    customer_comment: str | None = None
    manager_comment: str | None = None
    discount_manual_amount: Money | None = None
    delivery: Delivery
    items: tuple[Item, ...]
    payments: tuple[PaymentRequest, ...] | None = None

    def body(self) -> dict[str, Any]:
        """Return the body, with exact amounts and without unknown fields."""
        return self.model_dump(by_alias=True, exclude_none=True)

    def changes(self, lines: Sequence[HeldLine]) -> dict[str, Any]:
        """Return the body that changes an order that has these `lines`. Amounts are included even if they are 0 now.

        The lines of an edit replace all lines, and a line without an id is a new one: so a line keeps the id of the
        line with its name. Unknown texts and codes are left out, because people in RetailCRM add theirs.
        """
        body = {key: value for key, value in self.body().items() if key not in _SETTLED}
        unmatched = list(lines)
        for item in body["items"]:
            item.setdefault("discountManualAmount", Decimal(0))
            match = next((line for line in unmatched if line.name == item["productName"]), None)
            if match is not None:
                unmatched.remove(match)
                item["id"] = match.id
        return {"discountManualAmount": Decimal(0), **body}

    @classmethod
    def of(cls, order: Order, reference: str, *, zone: ZoneInfo, currency: str | None, codes: Codes) -> OrderRequest:
        """Return the request for an order, with its times in `zone`; `currency` is for orders without one."""
        to, customer = order.shipping_address, order.customer
        person = to if to.first_name or to.last_name else customer
        payments = tuple(_payment(paid, codes.payment[paid.method], zone) for paid in _coded(order, codes))
        # A line's discount that would be rounded for one piece becomes part of the discount of the order.
        discount = (order.totals.discount or 0) + sum(line.discount for line in order.lines if _per_piece(line) is None)
        return cls(
            external_id=reference,
            number=order.display_id,
            created_at=_local(order.ordered_at, zone),
            currency=order.currency or currency,
            status=codes.status.get(order.status),
            first_name=person.first_name,
            last_name=person.last_name,
            phone=to.phone or customer.phone,
            email=to.email or customer.email,
            customer_comment="\n".join(filter(None, (order.note, order.gift_message))) or None,
            manager_comment=order.internal_note,
            discount_manual_amount=Decimal(discount) or None,
            delivery=_delivery(order, codes),
            items=tuple(map(_item, order.lines)),
            payments=payments or None,
        )


def _local(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def _coded(order: Order, codes: Codes) -> list[Any]:
    return [payment for payment in order.payments if payment.method in codes.payment]


def _payment(payment: Payment, code: str, zone: ZoneInfo) -> PaymentRequest:
    paid_at = _local(payment.paid_at, zone) if payment.paid_at else None
    return PaymentRequest(type=code, status="paid" if paid_at else None, amount=payment.amount, paid_at=paid_at)


def _per_piece(line: Line) -> Decimal | None:
    """Return the discount of one piece; None if it is not a whole number of cents."""
    if not line.quantity:
        return None
    piece = (line.discount / line.quantity).normalize()
    whole_cents = int(piece.as_tuple().exponent) >= _CENTS
    return piece if whole_cents and piece * line.quantity == line.discount else None


def _item(line: Line) -> Item:
    ids = {"sku": line.sku, "ean": line.ean, "brand": line.brand, "supplier": line.supplier}
    texts = [*((option.name, option.value) for option in line.options), *ids.items()]
    properties = [Property(code=f"p{n}", name=name, value=text) for n, (name, text) in enumerate(texts, 1) if text]
    return Item(
        product_name=line.name,
        quantity=line.quantity,
        initial_price=line.unit_price,
        discount_manual_amount=_per_piece(line) or None,
        purchase_price=line.purchase_price,
        comment=line.note,
        properties={each.code: each for each in properties} or None,
    )


def _delivery(order: Order, codes: Codes) -> Delivery:
    """Return the delivery. A country that is not a code goes into the text, where people read it."""
    to, shipping = order.shipping_address, order.shipping
    code = country_code(to.country) if to.country else None
    text = filter(None, (to.company, to.street1, to.street2, None if code else to.country))
    return Delivery(
        code=_code(codes.delivery, shipping.method),
        cost=order.totals.shipping,
        date=shipping.promised_on,
        address=DeliveryAddress(
            index=to.postal_code,
            country_iso=code,
            region=to.region,
            city=to.city,
            text=", ".join(text) or None,
            notes=shipping.note,
        ),
    )


def _code(codes: Mapping[str, str], word: str | None) -> str | None:
    return codes.get(word) if word else None


H = TypeVar("H", bound="There")


class Created(Wire):
    """The answer to `POST /orders/create`."""

    id: int = Field(gt=0)


class There(Wire):
    """The fields of an order that identify it."""

    id: int = Field(gt=0)
    external_id: str | None = None


class HeldOrders(Wire):
    """`GET /orders`."""

    orders: List[There]


class HeldLine(Wire):
    """One line of an existing order."""

    id: int
    product_name: str | None = None
    offer: Object[Offer] = Offer()

    @property
    def name(self) -> str | None:
        """The name of the line."""
        return self.product_name or self.offer.display_name or self.offer.name


class LinedOrder(There):
    """An existing order with its lines."""

    items: List[HeldLine] = Field(default_factory=list)


class HeldOrder(Wire, Generic[H]):
    """`GET /orders/{externalId}`: the fields that are needed."""

    order: H


class Uploaded(Wire):
    """The answer to `POST /orders/upload`: the orders that were created, as far as the answer names them."""

    uploaded_orders: List[There] = Field(default_factory=list)


class Edited(Wire):
    """The answer to `POST /orders/{externalId}/edit`."""

    success: Literal[True]

"""The requests to Dropday's API, version 1, and its answers (docs.dropday.io, "Orders")."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from schemas.values import Money, Number

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.order import Line, Order


class Request(BaseModel):
    """A part of a request. Fields that an order lacks are left out; Dropday may refuse the order for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Receiver(Request):
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


#: The parts of an address that Dropday requires ("Create an order").
_REQUIRED = ("first_name", "last_name", "address1", "postcode", "city", "country")


class ShippingRequest(Request):
    """The requested shipping; `delivery_date` is written DD-MM-YYYY."""

    name: str | None = None
    description: str | None = None
    cost: Money | None = None
    note: str | None = None
    delivery_date: str | None = None


class Product(Request):
    """One line. `price` is for one piece, before discounts, for which Dropday has no field."""

    external_id: str | None = None
    ean13: str | None = None
    name: str
    reference: str | None = None
    quantity: Number
    stock_quantity: Number | None = None
    price: Money
    purchase_price: Money | None = None
    image_url: str | None = None
    brand: str | None = None
    category: str | None = None
    supplier: str | None = None
    custom: dict[str, Any] | None = None


class OrderRequest(Request):
    """`POST /orders`."""

    external_id: str
    source: str
    test: bool
    total: Money | None = None
    shipping_cost: Money | None = None
    email: str | None = None
    shipping_address: Receiver
    shipping: ShippingRequest | None = None
    products: tuple[Product, ...]

    def body(self, placeholder: str | None = None) -> dict[str, Any]:
        """Return the body, with exact amounts. Unknown fields are `placeholder` if required, else left out."""
        body = self.model_dump(exclude_none=True)
        if placeholder is not None:
            body["shipping_address"] = dict.fromkeys(_REQUIRED, placeholder) | body["shipping_address"]
        return body

    @classmethod
    def of(
        cls, order: Order, reference: str, *, source: str, test: bool, country: Callable[[str], str]
    ) -> OrderRequest:
        """Return the request for an order; `country` writes a country as the account expects it."""
        totals = order.totals
        return cls(
            external_id=reference,
            source=source,
            test=test,
            total=order.grand_total,
            shipping_cost=totals.shipping,
            email=order.shipping_address.email or order.customer.email,
            shipping_address=_receiver(order, country),
            shipping=_shipping(order),
            products=tuple(map(_product, order.lines)),
        )


def _receiver(order: Order, country: Callable[[str], str]) -> Receiver:
    to, customer = order.shipping_address, order.customer
    receiver = to if to.first_name or to.last_name or to.company else customer
    return Receiver(
        first_name=receiver.first_name,
        last_name=receiver.last_name,
        company_name=receiver.company,
        address1=to.street1,
        address2=to.street2,
        postcode=to.postal_code,
        city=to.city,
        state=to.region,
        country=country(to.country) if to.country else None,
        phone=to.phone or customer.phone,
    )


def _shipping(order: Order) -> ShippingRequest | None:
    """Return None if only the cost is known, which is in `shipping_cost` already."""
    shipping, day = order.shipping, order.shipping.promised_on
    request = ShippingRequest(
        name=shipping.method,
        description=shipping.description,
        note=shipping.note or order.note,
        delivery_date="-".join(reversed(day.split("-"))) if day else None,
    )
    return request.model_copy(update={"cost": order.totals.shipping}) if request != ShippingRequest() else None


def _chosen(line: Line) -> dict[str, str]:
    """Return the options by name. The values of options that share a name are joined."""
    chosen: dict[str, str] = {}
    for option in line.options:
        chosen[option.name] = f"{chosen[option.name]}, {option.value}" if option.name in chosen else option.value
    return chosen


def _product(line: Line) -> Product:
    """Return the product of a line. Its `stock_quantity` comes from the line's `custom`: a line has no such field."""
    custom: dict[str, Any] = {**line.custom, **_chosen(line), **({"note": line.note} if line.note else {})}
    stock = custom.get("stock_quantity")
    if isinstance(stock, int | Decimal) and not isinstance(stock, bool):
        del custom["stock_quantity"]
    else:
        stock = None
    return Product(
        external_id=line.product_id or line.sku or line.id,
        ean13=line.ean,
        name=line.name,
        reference=line.sku,
        quantity=line.quantity,
        stock_quantity=stock,
        price=line.unit_price,
        purchase_price=line.purchase_price,
        image_url=line.image_url,
        brand=line.brand,
        category=line.category,
        supplier=line.supplier,
        custom=custom or None,
    )


class Answer(BaseModel):
    """A part of an answer: unknown keys are ignored, ids may be numbers or text."""

    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True)


class Created(Answer):
    """The answer to a create. `reference` is Dropday's own id; it may be missing if the order existed already."""

    message: str
    reference: str | None = Field(default=None, min_length=1)


class Refused(Answer):
    """The answer to a 422: messages by field."""

    errors: Annotated[dict[str, Any], BeforeValidator(lambda value: value if isinstance(value, dict) else {})] = {}


class Held(Answer):
    """The fields of an order in the list that identify it."""

    external_id: str | None = None
    reference: str | None = None


class Meta(Answer):
    """The newer style of paging."""

    last_page: int | None = None


class Listed(Answer):
    """`GET /orders`. The documents mix both styles of paging."""

    data: list[Held]
    meta: Meta = Meta()
    last_page: int | None = None

    def ends_at(self, page: int) -> bool:
        """Return whether this page, which has the number `page`, is the last one."""
        last = self.meta.last_page or self.last_page
        return not self.data or (last is not None and page >= last)

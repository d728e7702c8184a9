"""The order of RetailCRM (Simla.com), API version 5: the fields that Intake reads; all others are kept as sent.

Money and quantities, lines, and what says that a line is cancelled are essential; any other field that cannot be read
is left out (see `schemas/reading.py`).
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field, StringConstraints

from schemas.reading import ESSENTIAL
from schemas.retailcrm import Currency, LocalTime, Wire
from schemas.wire import Amount, Essentials, Flag, List, Maybe, Object, Required


class Offer(Wire):
    """The offer in the catalogue that was bought."""

    id: str | None = None
    external_id: str | None = None
    xml_id: str | None = None
    article: str | None = None
    barcode: str | None = None
    display_name: str | None = None
    name: str | None = None


class Price(Wire):
    """The final price of a number of pieces."""

    price: Required
    quantity: Required


class Item(Wire):
    """One line of an order. `discount_total` is for one unit and includes its share of the order's discounts."""

    id: str | None = None
    product_name: str | None = None
    quantity: Required
    initial_price: Amount = None
    discount_total: Amount = None
    prices: Essentials[Price] = Field(default_factory=list)
    is_canceled: Flag = None
    #: A code of the account: some of them cancel the line (`GET /reference/product-statuses`).
    status: Annotated[str | None, ESSENTIAL] = None
    purchase_price: Amount = None
    comment: str | None = None
    offer: Object[Offer] = Offer.model_construct()
    #: Options that the buyer chose: `{"size": {"code": "size", "name": "Size", "value": "XL"}}`, or a list of these.
    properties: Object[dict[str, Any]] = Field(default_factory=dict)


class DeliveryAddress(Wire):
    """The address of a delivery. `building` is the house number, `house` and `housing` are parts of it."""

    index: str | None = None
    country_iso: str | None = None
    region: str | None = None
    city: str | None = None
    street_type: str | None = None
    street: str | None = None
    building: str | None = None
    house: str | None = None
    housing: str | None = None
    block: str | None = None
    floor: str | None = None
    flat: str | None = None
    text: str | None = None
    notes: str | None = None


class Service(Wire):
    """The tariff of a delivery."""

    name: str | None = None


class DeliveryTime(Wire):
    """The promised hours: a range, an exact time (`from` equals `to`), or any text ("v4 and v3")."""

    from_: str | None = Field(default=None, alias="from")
    to: str | None = None
    custom: str | None = None


class DeliveryData(Wire):
    """What the carrier's module says. Each module has keys of its own; these are common."""

    track_number: str | None = None
    declared_value: Amount = None
    pickuppoint_id: str | None = None
    pickuppoint_name: str | None = None
    pickuppoint_address: str | None = None
    pickuppoint_schedule: str | None = None
    pickuppoint_phone: str | None = None


class Delivery(Wire):
    """The delivery of an order."""

    code: str | None = None
    integration_code: str | None = None
    service: Object[Service] = Service.model_construct()
    cost: Amount = None
    date: Maybe[Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]] = None
    time: Object[DeliveryTime] = DeliveryTime.model_construct()
    data: Object[DeliveryData] = DeliveryData.model_construct()
    address: Annotated[Object[DeliveryAddress], ESSENTIAL] = DeliveryAddress.model_construct()


class Phone(Wire):
    """A phone number of a customer."""

    number: str | None = None


class Contragent(Wire):
    """The legal person that pays."""

    legal_name: str | None = None
    inn: str | None = Field(default=None, alias="INN")


class Person(Wire):
    """The customer, from the customer base, or the contact of a company; a company has a `nick_name`."""

    id: str | None = None
    first_name: str | None = None
    patronymic: str | None = None
    last_name: str | None = None
    nick_name: str | None = None
    email: str | None = None
    phones: List[Phone] = Field(default_factory=list)


#: Pydantic would copy a default that holds a list, for each order.
_NOBODY: Final = Person.model_construct()


class Company(Wire):
    """The company that ordered."""

    name: str | None = None
    contragent: Object[Contragent] = Contragent.model_construct()


class Payment(Wire):
    """One payment of an order."""

    id: str | None = None
    type: str | None = None
    status: str | None = None
    amount: Amount = None
    paid_at: Maybe[LocalTime] = None
    comment: str | None = None


class Order(Wire):
    """One order, in a list or by itself."""

    id: Annotated[int, Field(gt=0), ESSENTIAL]
    external_id: str | None = None
    number: str | None = None
    site: str | None = None
    status: str
    created_at: LocalTime
    currency: Maybe[Currency] = None
    country_iso: str | None = None
    summ: Amount = None
    total_summ: Amount = None
    discount_manual_amount: Amount = None
    bonuses_charge_total: Amount = None
    first_name: str | None = None
    patronymic: str | None = None
    last_name: str | None = None
    phone: str | None = None
    additional_phone: str | None = None
    email: str | None = None
    customer_comment: str | None = None
    manager_comment: str | None = None
    shipment_store: str | None = None
    shipment_date: Maybe[Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]] = None
    customer: Object[Person] = Field(default_factory=lambda: _NOBODY)
    contact: Object[Person] = Field(default_factory=lambda: _NOBODY)
    company: Object[Company] = Company.model_construct()
    contragent: Object[Contragent] = Contragent.model_construct()
    delivery: Annotated[Object[Delivery], ESSENTIAL] = Delivery.model_construct()
    items: Essentials[Item] = Field(default_factory=list)
    payments: Annotated[List[Payment], ESSENTIAL] = Field(default_factory=list)
    custom_fields: Object[dict[str, Any]] = Field(default_factory=dict)

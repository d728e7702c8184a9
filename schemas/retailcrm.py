"""The answers of RetailCRM (Simla.com), API version 5: the fields that Intake reads.

PHP writes an empty object as `[]` and a list with keys as an object; null and absent both mean "not set".
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, NaiveDatetime, StringConstraints
from pydantic.alias_generators import to_camel

from schemas.values import Money, Number

T = TypeVar("T")


def _object(value: object) -> object:
    """Return an empty object for `[]` and null."""
    return {} if value is None or value == [] else value


def _list(value: object) -> object:
    """Return an empty list for null, and the values of an object (payments are keyed by their id)."""
    if isinstance(value, dict):
        return list(value.values())
    return [] if value is None else value


def _set(value: object) -> object:
    """Return None for an empty text, which means "not set"."""
    return None if value == "" else value


def _zone(key: str) -> str:
    try:
        ZoneInfo(key)
    except (LookupError, ValueError, OSError):  # unknown, not a key, or a folder of keys
        raise ValueError("not the name of a time zone, such as Europe/Moscow") from None
    return key


Object = Annotated[T, BeforeValidator(_object)]
List = Annotated[list[T], BeforeValidator(_list)]
#: `Y-m-d H:i:s` in the time zone of the account, which the text does not name.
LocalTime = NaiveDatetime
#: ISO 4217.
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{3}$", to_upper=True)]
#: The name of a known time zone.
ZoneKey = Annotated[str, AfterValidator(_zone)]


class Wire(BaseModel):
    """A part of an answer: unknown keys are ignored."""

    # Frozen: pydantic copies a mutable default each time it uses it.
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, coerce_numbers_to_str=True)


class Pagination(Wire):
    """The number of this page, and of all pages."""

    current_page: int
    total_page_count: int

    @property
    def more(self) -> bool:
        """Whether more pages follow, even after an empty one."""
        return self.current_page < self.total_page_count


class ApiKey(Wire):
    """The API key that made a change; `current` if it is the key of this request."""

    current: bool = False


class OrderId(Wire):
    """The order of a history record."""

    id: int


class Change(Wire):
    """One changed field of one order."""

    id: int
    created_at: LocalTime
    source: str | None = None
    api_key: Object[ApiKey] = ApiKey()
    order: OrderId

    @property
    def is_echo(self) -> bool:
        """Whether this is an echo: a change that was made through the API with the same key."""
        return self.api_key.current and self.source == "api"


class History(Wire):
    """`GET /orders/history`; `generated_at` is the account's own clock."""

    generated_at: LocalTime | None = None
    history: List[Change]
    pagination: Pagination


class Orders(Wire):
    """`GET /orders`, with the orders as sent."""

    orders: List[dict[str, Any]]


class OneOrder(Wire):
    """`GET /orders/{id}`, with the order as sent."""

    order: dict[str, Any]


class ZoneSetting(Wire):
    """The account's time zone."""

    value: ZoneKey


class CurrencySetting(Wire):
    """The account's currency."""

    value: Currency


class AccountSettings(Wire):
    """The settings of the account that are needed to read its orders."""

    timezone: ZoneSetting
    default_currency: CurrencySetting | None = Field(default=None, alias="default_currency")


class Settings(Wire):
    """`GET /settings`."""

    settings: AccountSettings


class Offer(Wire):
    """The offer in the catalogue that was bought."""

    id: str | None = None
    external_id: str | None = None
    xml_id: str | None = None
    article: str | None = None
    barcode: str | None = None
    display_name: str | None = None
    name: str | None = None


class Property(Wire):
    """An option that the buyer chose, such as a size or a colour."""

    name: str | None = None
    value: str | None = None


class Price(Wire):
    """The final price of a number of pieces."""

    price: Money
    quantity: Number


class Item(Wire):
    """One line of an order. `discount_total` is for one unit and includes its share of the order's discounts."""

    id: str | None = None
    product_name: str | None = None
    quantity: Number
    initial_price: Money
    discount_total: Money | None = None
    prices: List[Price] = Field(default_factory=list)
    is_canceled: bool | None = None
    purchase_price: Money | None = None
    comment: str | None = None
    offer: Object[Offer] = Offer()
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


class Delivery(Wire):
    """The delivery of an order."""

    code: str | None = None
    integration_code: str | None = None
    service: Object[Service] = Service()
    cost: Money | None = None
    date: Annotated[Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None, BeforeValidator(_set)] = (
        None
    )
    address: Object[DeliveryAddress] = DeliveryAddress()


class Phone(Wire):
    """A phone number of a customer."""

    number: str | None = None


class Person(Wire):
    """The customer, from the customer base; a company has a `nick_name`."""

    id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    nick_name: str | None = None
    email: str | None = None
    phones: List[Phone] = Field(default_factory=list)


class Company(Wire):
    """The company that ordered."""

    name: str | None = None


class Payment(Wire):
    """One payment of an order."""

    id: str | None = None
    type: str | None = None
    status: str | None = None
    amount: Money | None = None
    paid_at: Annotated[LocalTime | None, BeforeValidator(_set)] = None


class Order(Wire):
    """One order, in a list or by itself."""

    id: int = Field(gt=0)
    external_id: str | None = None
    number: str | None = None
    site: str | None = None
    status: str
    created_at: LocalTime
    currency: Currency | None = None
    country_iso: str | None = None
    summ: Money | None = None
    total_summ: Money | None = None
    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    email: str | None = None
    customer_comment: str | None = None
    manager_comment: str | None = None
    shipment_store: str | None = None
    customer: Object[Person] = Person()
    company: Object[Company] = Company()
    delivery: Object[Delivery] = Delivery()
    items: List[Item] = Field(default_factory=list)
    payments: List[Payment] = Field(default_factory=list)
    custom_fields: Object[dict[str, Any]] = Field(default_factory=dict)

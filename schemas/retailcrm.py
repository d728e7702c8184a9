"""The answers of RetailCRM (Simla.com), API version 5: its history, its settings, and the orders as they are sent.

PHP writes an empty object as `[]` and a list with keys as an object; null and absent both mean "not set".
"""

from __future__ import annotations

from typing import Annotated, Any, TypedDict
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NaiveDatetime, StringConstraints
from pydantic.alias_generators import to_camel

from schemas.wire import List, Object


def _zone(key: str) -> str:
    try:
        ZoneInfo(key)
    except (LookupError, ValueError, OSError):  # unknown, not a key, or a folder of keys
        raise ValueError("not the name of a time zone, such as Europe/Moscow") from None
    return key


#: `Y-m-d H:i:s` in the time zone of the account, which the text does not name.
LocalTime = NaiveDatetime
#: ISO 4217.
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{3}$", to_upper=True)]
#: The name of a known time zone.
ZoneKey = Annotated[str, AfterValidator(_zone)]


class Wire(BaseModel):
    """A part of an answer: unknown keys are ignored."""

    # Frozen: pydantic copies a mutable default each time it uses it.
    model_config = ConfigDict(defer_build=True, frozen=True, alias_generator=to_camel, coerce_numbers_to_str=True)


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
    """The order of a history record. Everything but its id is a detail: nothing in it makes a record unreadable."""

    id: int
    external_id: Any = None
    site: Any = None


class Change(Wire):
    """One changed field of one order."""

    id: int
    created_at: LocalTime
    source: str | None = None
    field: Any = None
    api_key: Object[ApiKey] = ApiKey.model_construct()
    order: OrderId
    #: True if the order was deleted.
    deleted: Any = None
    #: The order that has the goods of this one now, "only where the old order was deleted".
    combined_to: Any = None

    @property
    def is_removal(self) -> bool:
        """Whether the order does not exist any more."""
        return self.deleted is True or bool(self.combined_to)

    @property
    def is_echo(self) -> bool:
        """Whether this is an echo: a change that was made through the API with the same key."""
        return self.api_key.current and self.source == "api"


class OrderIdSent(TypedDict, total=False):
    """What `OrderId` reads of an order: the records of its creation hold all of it."""

    id: Any
    externalId: Any
    site: Any


class ChangeSent(TypedDict, total=False):
    """What `Change` reads of a history record."""

    id: Any
    createdAt: Any
    source: Any
    field: Any
    apiKey: Any
    order: OrderIdSent
    deleted: Any
    combinedTo: Any


class HistorySent(TypedDict, total=False):
    """What `HistoryAsSent` reads of an answer: decoding all of it takes ten times as long."""

    generatedAt: Any
    history: list[ChangeSent]
    pagination: Any


class History(Wire):
    """`GET /orders/history`; `generated_at` is the account's own clock."""

    generated_at: LocalTime | None = None
    history: List[Change]
    pagination: Pagination


class HistoryAsSent(Wire):
    """The same, with the changes as sent."""

    generated_at: LocalTime | None = None
    history: List[Any]
    pagination: Pagination


class Orders(Wire):
    """`GET /orders`, with the orders as sent."""

    orders: List[Any]


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

"""The answers of Dropboy's API, and the orders of its list (docs.dropboy.com/reference, "introduction").

Of the elements of the list, only `id` is documented. Their other fields are read as in the batch file
("batch-upload"), wherever in the element they stand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool
from pydantic.alias_generators import to_camel

from schemas.times import UtcMoment
from schemas.wire import Amount, Essentials, List, Maybe, Object, Required, Text, whole_as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The names that the time of creation, or of the last change, may have: it is not documented.
MADE: Final = ("createdAt", "created", "createTime", "createdDate")
CHANGED: Final = ("updatedAt", "updated", "updateTime", "modifiedAt")
#: The names of the id: "id" in lists, "orderId" in webhooks.
_IDS: Final = ("id", "orderId")
#: Fields by which an order is recognized.
_SIGNS: Final = ("destination", "origin", "cargo")
#: Objects of an order that hold no order.
_PARTS: Final = frozenset({"sender", "receiver", "price", "customFields", "smsSettings", "ruleset"})
#: How deep in an element its order is searched for.
_DEPTH: Final = 3


def _texts(value: object) -> object:
    """Return the texts of an array; after a success it is null, empty or absent."""
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _only_text(value: object) -> object:
    return value if isinstance(value, str) else None


def _phone(value: object) -> object:
    """Return a number as text. In an upload it is two integers."""
    if not isinstance(value, dict):
        return whole_as_text(value)
    prefix, number = (whole_as_text(value.get(name)) for name in ("prefix", "number"))
    if isinstance(number, bool) or not isinstance(number, str | int) or not str(number).strip():
        return None
    known = isinstance(prefix, str | int) and not isinstance(prefix, bool) and str(prefix).strip(" +0")
    return f"+{str(prefix).strip().lstrip('+0')}{number}" if known else str(number)


def _price(value: object) -> object:
    """Return the object of a price, which may be the amount alone."""
    return value if isinstance(value, dict) or value is None else {"amount": value}


class Wire(BaseModel):
    """A part of an answer: unknown keys are ignored."""

    model_config = ConfigDict(
        defer_build=True, frozen=True, alias_generator=to_camel, populate_by_name=True, coerce_numbers_to_str=True
    )


class Envelope(Wire):
    """The envelope of every answer. The documents and their examples differ about `errors` and `error`."""

    success: StrictBool
    errors: Annotated[list[str], BeforeValidator(_texts)] = Field(default_factory=list)
    error: Annotated[str | None, BeforeValidator(_only_text)] = None
    result: Any = None

    @property
    def messages(self) -> list[str]:
        """All error messages, without repetitions."""
        return list(dict.fromkeys([*self.errors, *([self.error] if self.error else [])]))


class Rows(Wire):
    """`GET /public/orders`. The orders are left as sent; there is no total."""

    result: list[Any]


class TimeWindow(Wire):
    """The time for a visit: `time_type` is before, after, between or anytime."""

    start: Maybe[UtcMoment] = None
    end: Maybe[UtcMoment] = None
    time_type: Text = None


class Person(Wire):
    """A party of a transport that goods are not carried to; `attention` is the contact person."""

    company_name: Text = None
    attention: Text = None
    email: Text = None
    phone: Maybe[Annotated[str, BeforeValidator(_phone)]] = None


class Party(Person):
    """One end of a transport."""

    address: Text = None
    extra_info: Text = None
    zip_code: Text = None
    city: Text = None
    country_code: Text = None
    comments: Text = None
    time_window: Object[TimeWindow] = TimeWindow.model_construct()


class Cargo(Wire):
    """A number of pieces of one type."""

    type: Text = None
    amount: Required
    barcode: Text = None
    cargo_id: Text = None


class Price(Wire):
    """`amount` is in the smallest unit of the currency, which the API does not name."""

    amount: Amount = None


class Order(Wire):
    """One order of the list. `order_number` is the number of its creator, `wuxus_number` Dropboy's own for people."""

    id: str = Field(min_length=1, validation_alias=AliasChoices(*_IDS))
    order_number: Text = None
    wuxus_number: Text = None
    requisition: Text = None
    status: Text = None
    destination: Party | None = None
    receiver: Person | None = None
    cargo: Essentials[Cargo] = Field(default_factory=list)
    price: Annotated[Price | None, BeforeValidator(_price)] = None
    comments: Text = None
    custom_fields: Object[dict[str, Any]] = Field(default_factory=dict)
    routing_tags: List[Annotated[str, BeforeValidator(whole_as_text)]] = Field(default_factory=list)
    made: Maybe[UtcMoment] = Field(default=None, validation_alias=AliasChoices(*MADE))
    changed: Maybe[UtcMoment] = Field(default=None, validation_alias=AliasChoices(*CHANGED))


def shown(row: Mapping[str, Any], names: tuple[str, ...]) -> object:
    """Return the value of the first of `names` that the row has."""
    return next((row[name] for name in names if row.get(name) is not None), None)


def flat(row: dict[str, Any], depth: int = _DEPTH) -> dict[str, Any]:
    """Return an element of the list with the fields of its order beside its own, which count more.

    The batch file has them in `order`; where a list has them is not documented.
    """
    if depth == 0 or any(sign in row for sign in _SIGNS):
        return row
    for key, value in row.items():
        inner = value[0] if isinstance(value, list) and len(value) == 1 else value
        if key in _PARTS or not isinstance(inner, dict):
            continue
        order = flat(inner, depth - 1)
        if any(sign in order for sign in _SIGNS):
            return {**order, **{name: own for name, own in row.items() if name != key and own is not None}}
    return row


def id_of(row: dict[str, Any]) -> str | None:
    """Return the id of an element of the list, or None if it shows none."""
    value = shown(row, _IDS) or shown(flat(row), _IDS)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


def number_of(row: dict[str, Any]) -> str | None:
    """Return the number that its creator gave to an element of the list; None if it shows none."""
    value = flat(row).get("orderNumber")
    return str(value) if isinstance(value, str | int) and value not in {"", None} else None

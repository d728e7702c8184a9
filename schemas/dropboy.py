"""The answers of Dropboy's API, and the orders of its list (docs.dropboy.com/reference, "introduction").

Of the elements of the list, only `id` is documented. Their other fields are read as in the batch file
("batch-upload"), if they are present.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

from pydantic import AliasChoices, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool
from pydantic.alias_generators import to_camel

from schemas.values import Number

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

#: The names that the time of creation, or of the last change, may have: it is not documented.
MADE: Final = ("createdAt", "created", "createTime", "createdDate")
CHANGED: Final = ("updatedAt", "updated", "updateTime", "modifiedAt")


def _texts(value: object) -> object:
    """Return the texts of an array; after a success it is null, empty or absent."""
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _text(value: object) -> object:
    return value if isinstance(value, str) else None


def _list(value: object) -> object:
    return [] if value is None else value


def _phone(value: object) -> object:
    """Return a number as text. It may be two integers, as in an upload."""
    if isinstance(value, dict):
        prefix, number = value.get("prefix"), value.get("number")
        if isinstance(number, int) and not isinstance(number, bool):
            return f"+{prefix}{number}" if isinstance(prefix, int) else str(number)
        return None
    return value


class Wire(BaseModel):
    """A part of an answer: unknown keys are ignored."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True, coerce_numbers_to_str=True)


class Envelope(Wire):
    """The envelope of every answer. The documents and their examples differ about `errors` and `error`."""

    success: StrictBool
    errors: Annotated[list[str], BeforeValidator(_texts)] = Field(default_factory=list)
    error: Annotated[str | None, BeforeValidator(_text)] = None
    result: Any = None

    @property
    def messages(self) -> list[str]:
        """All error messages, without repetitions."""
        return list(dict.fromkeys([*self.errors, *([self.error] if self.error else [])]))


class Rows(Wire):
    """`GET /public/orders`. The orders are left as sent; there is no total."""

    result: list[dict[str, Any]]


class Party(Wire):
    """One end of a transport; `attention` is the contact person."""

    company_name: str | None = None
    attention: str | None = None
    address: str | None = None
    extra_info: str | None = None
    zip_code: str | None = None
    city: str | None = None
    country_code: str | None = None
    email: str | None = None
    phone: Annotated[str | None, BeforeValidator(_phone)] = None
    comments: str | None = None


class Cargo(Wire):
    """A number of pieces of one type."""

    type: str
    amount: Number


class Price(Wire):
    """`amount` is in the smallest unit of the currency, which the API does not name."""

    amount: Number | None = None


class Order(Wire):
    """One order of the list. `order_number` is the number of its creator, `wuxus_number` Dropboy's own for people."""

    id: str = Field(min_length=1)
    order_number: str | None = None
    wuxus_number: str | None = None
    status: str | None = None
    destination: Party | None = None
    cargo: Annotated[list[Cargo], BeforeValidator(_list)] = Field(default_factory=list)
    price: Price | None = None
    comments: str | None = None
    made: AwareDatetime | None = Field(default=None, validation_alias=AliasChoices(*MADE))
    changed: AwareDatetime | None = Field(default=None, validation_alias=AliasChoices(*CHANGED))


def shown(row: Mapping[str, Any], names: tuple[str, ...]) -> object:
    """Return the value of the first of `names` that the row has."""
    return next((row[name] for name in names if row.get(name) is not None), None)

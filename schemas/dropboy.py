"""What Dropboy's API answers, and what its list shows of an order (docs.dropboy.com/reference, "introduction").

The shape of the list's elements is documented nowhere but for `id`: the rest is read as the batch file has it
("batch-upload"), where it is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

from pydantic import AliasChoices, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool
from pydantic.alias_generators import to_camel

from schemas.order import Number

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

#: Under which of these names they show when an order was made, or changed, is not documented.
MADE: Final = ("createdAt", "created", "createTime", "createdDate")
CHANGED: Final = ("updatedAt", "updated", "updateTime", "modifiedAt")


def _texts(value: object) -> object:
    """An array of texts on failure; null, empty or absent else."""
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _text(value: object) -> object:
    return value if isinstance(value, str) else None


def _list(value: object) -> object:
    return [] if value is None else value


def _phone(value: object) -> object:
    """Two integers, as they are uploaded, become text."""
    if isinstance(value, dict):
        prefix, number = value.get("prefix"), value.get("number")
        if isinstance(number, int) and not isinstance(number, bool):
            return f"+{prefix}{number}" if isinstance(prefix, int) else str(number)
        return None
    return value


class Wire(BaseModel):
    """A part of an answer: keys that nobody reads are let pass."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True, coerce_numbers_to_str=True)


class Envelope(Wire):
    """What is around every answer; of `errors` and `error` the docs and their examples differ."""

    success: StrictBool
    errors: Annotated[list[str], BeforeValidator(_texts)] = Field(default_factory=list)
    error: Annotated[str | None, BeforeValidator(_text)] = None
    result: Any = None

    @property
    def words(self) -> list[str]:
        """All that they say of what went wrong, each once."""
        return list(dict.fromkeys([*self.errors, *([self.error] if self.error else [])]))


class Rows(Wire):
    """`GET /public/orders`, the orders left as sent; there is no total."""

    result: list[dict[str, Any]]


class Party(Wire):
    """An end of the way; `attention` is whom to ask for."""

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
    """So many of one kind of thing that is carried."""

    type: str
    amount: Number


class Price(Wire):
    """`amount` is in the smallest unit of the currency, which is named nowhere."""

    amount: Number | None = None


class Order(Wire):
    """One order of the list; `order_number` is its maker's number, `wuxus_number` Dropboy's own for people."""

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
    """What stands under the first of `names` that is there."""
    return next((row[name] for name in names if row.get(name) is not None), None)

"""The answers of DropStream around its orders: tokens, and pages of orders as they were sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from schemas.values import Id, Moment


def _zoned(value: object) -> object:
    """Return a time with a zone: a day is its beginning. All times in the documents are UTC."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        return value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


#: A time, or only a day ("dateString"); null and blank are not set.
When = Annotated[Moment | None, BeforeValidator(_zoned)]


class Wire(BaseModel):
    """A part of an answer: unknown keys are ignored."""

    model_config = ConfigDict(defer_build=True, frozen=True, coerce_numbers_to_str=True)


class Token(Wire):
    """`POST /auth/token`. The token is sent in a header, so it may have only the characters of a header."""

    access_token: Annotated[str, StringConstraints(pattern=r"^[!-~]+$")]


class Orders(Wire):
    """`GET /orders` in a session, with the orders as sent. `limit` is the one that the server uses."""

    orders: list[Any]
    session_id: Id
    page: int
    limit: int = Field(gt=0)


class NumberedOrders(Wire):
    """`GET /orders` with a page number, with the orders as sent. Of a long list, only the first 10,000 are shown."""

    orders: list[Any]
    limit: int = Field(gt=0)
    total_count: int | None = None
    max_total_reached: bool | None = None


class OneOrder(Wire):
    """`GET /orders/{id}`, with the order as sent."""

    order: dict[str, Any]


class Imported(Wire):
    """The time at which DropStream imported an order."""

    created_at: When = None

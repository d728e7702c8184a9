"""The answers of Dropday's API, version 1, to a target (docs.dropday.io, "Orders")."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Answer(BaseModel):
    """A part of an answer: unknown keys are ignored, ids may be numbers or text."""

    model_config = ConfigDict(defer_build=True, frozen=True, coerce_numbers_to_str=True)


class Created(Answer):
    """The answer to a create. `reference` is Dropday's own id; it may be missing if the order existed already."""

    message: str
    reference: str | None = Field(default=None, min_length=1)


class Refused(Answer):
    """The answer to a 422: messages by field."""

    errors: Annotated[dict[str, Any], BeforeValidator(lambda value: value if isinstance(value, dict) else {})] = {}


class Meta(Answer):
    """The newer style of paging."""

    last_page: int | None = None


class Listed(Answer):
    """`GET /orders`, with the orders as sent. The documents mix both styles of paging."""

    data: list[dict[str, Any]]
    meta: Meta = Meta.model_construct()
    last_page: int | None = None

    def ends_at(self, page: int) -> bool:
        """Return whether this page, which has the number `page`, is the last one."""
        last = self.meta.last_page or self.last_page
        return not self.data or (last is not None and page >= last)

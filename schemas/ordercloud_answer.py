"""The answers of OrderCloud to writes, as far as a target reads them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_pascal

from schemas.ordercloud_mark import MARK


def _object(value: object) -> object:
    return value if isinstance(value, dict) else {}


Object = Annotated[dict[str, Any], BeforeValidator(_object)]


class Answer(BaseModel):
    """A part of an answer: unknown keys are ignored."""

    model_config = ConfigDict(defer_build=True, frozen=True, alias_generator=to_pascal)


class Token(BaseModel):
    """`POST /oauth/token`. The token is sent in a header, so it may have only the characters of a header."""

    access_token: Annotated[str, StringConstraints(pattern=r"^[!-~]+$")]


class Named(Answer):
    """The answer to a write: the object that was written, with its id."""

    id: str = Field(alias="ID")


class FromUser(Answer):
    """The user who placed an order."""

    id: str | None = Field(default=None, alias="ID")


class Marked(Named):
    """An object in whose `xp` Intake may have left its mark."""

    xp: Object = Field(default={}, alias="xp")

    @property
    def mark(self) -> dict[str, Any]:
        """Our mark; empty if the object is not ours."""
        mark = self.xp.get(MARK)
        return mark if isinstance(mark, dict) else {}

    @property
    def sent(self) -> dict[str, Any]:
        """The amounts that we wrote."""
        sent = self.mark.get("Sent")
        return sent if isinstance(sent, dict) else {}


class HeldOrder(Marked):
    """The fields of an order that identify it and show its state.

    `IsSubmitted` becomes true when the order has "been passed from the Buyer to the marketplace owner", which is after
    an approval. So the status shows whether it was submitted.
    """

    status: str
    from_company_id: str | None = Field(default=None, alias="FromCompanyID")
    from_user: FromUser | None = None
    currency: str | None = None

    @property
    def order_key(self) -> str | None:
        """The order key that it was created for; None if it is not ours."""
        key = self.mark.get("Order")
        return key if isinstance(key, str) else None

    @property
    def submitted(self) -> bool:
        """Whether the order was submitted."""
        return self.status != "Unsubmitted"

    @property
    def cancelled(self) -> bool:
        """Whether the order is cancelled in OrderCloud."""
        return self.status == "Canceled"

    @property
    def finished(self) -> bool:
        """Whether its creation is complete: an order that was cancelled at the source has to be cancelled as well."""
        return self.submitted and (self.cancelled or self.mark.get("Status") != "cancelled")


class HeldLine(Marked):
    """The fields of a line that identify it. A line without a key is not ours."""

    product_id: str = Field(alias="ProductID")
    shipping_address: Object = {}

    @property
    def key(self) -> str | None:
        """The key of our line; None if somebody else added it."""
        key = self.mark.get("Key")
        return key if isinstance(key, str) else None


class Meta(Answer):
    """The number of pages."""

    total_pages: int


class Lines(Answer):
    """`GET /v1/orders/{direction}/{orderID}/lineitems`."""

    meta: Meta
    items: list[HeldLine]


class Refusal(Answer):
    """One reason of a refusal; `Data` may be null, an object or a list."""

    error_code: str = ""
    data: Object = {}


class Refused(BaseModel):
    """The body of a refusal. A refused token may have the `error` of OAuth instead."""

    errors: list[Refusal] = Field(default=[], alias="Errors")
    error: Any = None

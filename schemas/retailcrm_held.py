"""What RetailCRM (Simla.com), API version 5, returns of orders that it holds, and of calls that write."""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar

from pydantic import Field

from schemas.retailcrm import Wire
from schemas.retailcrm_marks import MARK
from schemas.retailcrm_order import Offer
from schemas.values import Money, Number
from schemas.wire import List, Object


class Created(Wire):
    """The answer to `POST /orders/create`."""

    id: int = Field(gt=0)


class ExternalId(Wire):
    """The id of a line in another system."""

    code: str | None = None
    value: str | None = None


class HeldLine(Wire):
    """One line of an existing order."""

    id: int
    product_name: str | None = None
    quantity: Number | None = None
    initial_price: Money | None = None
    external_ids: List[ExternalId] = Field(default_factory=list)
    offer: Object[Offer] = Offer.model_construct()

    @property
    def name(self) -> str | None:
        """The name of the line."""
        return self.product_name or self.offer.display_name or self.offer.name

    @property
    def marks(self) -> list[str]:
        """The marks of Intake."""
        return [entry.value for entry in self.external_ids if entry.code == MARK and entry.value]


class There(Wire):
    """The fields of an order that identify it, and that tell who made it."""

    id: int = Field(gt=0)
    external_id: str | None = None
    site: str | None = None
    created_at: str | None = None
    items: List[HeldLine] = Field(default_factory=list)

    @property
    def marks(self) -> list[str]:
        """The marks of all its lines."""
        return [mark for line in self.items for mark in line.marks]


class HeldPayment(Wire):
    """A payment of an existing order."""

    id: int
    external_id: str | None = None


class EditedOrder(There):
    """An existing order with the fields that an edit completes: each of them is replaced as a whole."""

    customer_comment: str | None = None
    manager_comment: str | None = None
    delivery: Object[dict[str, Any]] = Field(default_factory=dict)
    custom_fields: Object[dict[str, Any]] = Field(default_factory=dict)
    payments: List[HeldPayment] = Field(default_factory=list)


class HeldOrders(Wire):
    """`GET /orders`."""

    orders: List[There]


H = TypeVar("H", bound=There)


class HeldOrder(Wire, Generic[H]):
    """`GET /orders/{externalId}`: the fields that are needed."""

    order: H


class Named(Wire):
    """An order that an answer names."""

    id: int = Field(gt=0)
    external_id: str | None = None


class Uploaded(Wire):
    """The answer to `POST /orders/upload`: the orders that were created, as far as the answer names them."""

    uploaded_orders: List[Named] = Field(default_factory=list)


class Paid(Wire):
    """The answer to the calls that write a payment."""

    success: Literal[True]


class Edited(Paid):
    """The answer to `POST /orders/{externalId}/edit`."""

    id: int

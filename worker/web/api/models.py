"""What calls of the API take and return."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from worker.operations.bulk import Action
from worker.operations.decisions import Name as DecisionName
from worker.operations.waiting import ListName


class Model(BaseModel):
    """The base of what calls take and return: no unknown fields."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class FieldError(Model):
    """What is wrong with one field of a call; the value is not repeated."""

    field: str
    message: str


class ProblemDetails(Model):
    """Why a call was refused (RFC 9457)."""

    type: Literal["about:blank"] = "about:blank"
    title: str
    status: int
    #: What programs distinguish problems by.
    code: str
    detail: str
    errors: list[FieldError] = []


class SearchQuery(Model):
    """What an order is searched by; no personal data: an address is written into logs."""

    number: Annotated[
        str,
        Field(
            min_length=1,
            max_length=200,
            # Programs that generate calls read it here; people get a better sentence.
            json_schema_extra={"pattern": "^[^@]+$"},
            description="The number that the customer knows or its beginning, the shop's id, a reference, or a key.",
        ),
    ]


class Place(Model):
    """Where an order is: its state in one target."""

    target: str
    state: str
    state_text: str
    delivered_at: datetime | None = None


class LeftOut(Model):
    """Why no route creates the order in a target, and what to do about it."""

    target: str
    reason: str
    next: str


class Unreadable(Model):
    """Why the record of the order could not be read."""

    field: str
    reason: str


class FoundOrder(Model):
    """An order that was found."""

    key: str
    provider: str
    external_id: str
    found_by: str
    #: The page of the order in the console; null without `[web] url`.
    url: str | None
    targets: list[Place]
    left_out: list[LeftOut]
    unreadable: Unreadable | None
    #: Whether the order was announced and is still to be read.
    to_be_read: bool


class Found(Model):
    """The orders that a text stands for."""

    orders: list[FoundOrder]
    #: How many more there are.
    more: int


class EmailSearch(Model):
    """An e-mail address to search for. It stands in the body, because an address is written into logs."""

    email: Annotated[str, Field(min_length=3, max_length=254, description="The whole address, in any letter case.")]
    place: Annotated[
        str, Field(max_length=64, description="Where to continue: `place` of the previous response; empty to begin.")
    ] = ""


class FoundByEmail(Model):
    """The orders with an e-mail address whose data is still held, as far as the search is."""

    orders: list[FoundOrder]
    #: Where the search continues; null at its end.
    place: str | None
    #: How much was searched, from 0 to 1.
    share: float


class OrderQuery(Model):
    """What to return of an order."""

    content: Annotated[bool, Field(description="Include the order itself, which needs the role support.")] = False


class Event(Model):
    """What happened to an order in a target."""

    at: datetime
    event: str
    detail: str


class Delivery(Place):
    """An order in one target."""

    reference: str
    target_id: str
    tries: int
    code: str
    reason: str
    said: str
    next: str
    #: What this token may do now, and the value of `seen` that the action needs.
    actions: list[DecisionName]
    seen: str
    history: list[Event]


class Order(FoundOrder):
    """All that is known of an order."""

    targets: list[Delivery]  # type: ignore[assignment]  # each place with its history
    content: dict[str, Any] | None


class OrderAction(Model):
    """A decision about an order in a target."""

    target: Annotated[str, Field(max_length=100)]
    action: DecisionName
    seen: Annotated[
        str,
        Field(
            max_length=64, description="The value from the order. The action is refused if the order has changed since."
        ),
    ]
    target_id: Annotated[
        str, Field(max_length=200, description="With `delivered`: the id of the order in the target.")
    ] = ""


class Done(Model):
    """What came of an action: "done". After `ask`, a worker searches the target: the history shows the answer."""

    result: str


class ListSize(Model):
    """One list, and how much waits in it."""

    list: ListName
    count: int


class Lists(Model):
    """The lists of what waits for a person."""

    lists: list[ListSize]


class ListQuery(Model):
    """Which rows of a list."""

    account: Annotated[str, Field(max_length=100, description="A provider or a target.")] = ""
    reason: Annotated[str, Field(max_length=200, description="A text in the code or the reason.")] = ""
    older: Annotated[float | None, Field(ge=0, le=1e9, description="Rows that wait for this many seconds.")] = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class Row(Model):
    """One order, record or job that waits."""

    id: str
    list: ListName
    number: str
    key: str
    provider: str
    target: str
    reference: str
    since: datetime
    code: str
    reason: str
    said: str


class Reason(Model):
    """A reason, and how many rows have it."""

    count: int
    account: str
    code: str
    reason: str


class Rows(Model):
    """The selected rows of a list, those of each account that wait longest first."""

    count: int
    #: What the selection is identified by: an action on all of it needs it.
    seen: str
    reasons: list[Reason]
    rows: list[Row]


class ListAction(Model):
    """An action on rows of a list: on those with these ids, or on all that match."""

    action: Action
    ids: Annotated[list[Annotated[str, Field(max_length=1000)]], Field(max_length=1000)] = []
    account: Annotated[str, Field(max_length=100)] = ""
    reason: Annotated[str, Field(max_length=200)] = ""
    older: Annotated[float | None, Field(ge=0, le=1e9)] = None
    seen: Annotated[
        str,
        Field(
            max_length=64,
            description="Without ids: the value from the list. The action is refused if the list has changed since.",
        ),
    ] = ""


class Acted(Model):
    """How many rows an action was done to, and how many have changed meanwhile."""

    done: int
    left: int

"""What a provider is: one order API that orders are read from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from worker.errors import Unavailable

if TYPE_CHECKING:
    from datetime import datetime

    from pydantic import BaseModel

    from schemas.order import Order
    from worker.http.client import Client


@dataclass(frozen=True, slots=True)
class Record:
    """One item as the provider sent it, JSON with Decimal for every number that is not whole.

    `version` is what the provider told beside the item about its age (see `Order.version`); it travels here because
    a RetailCRM order does not carry it itself.
    """

    raw: dict[str, Any]
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A batch of records; `cursor` is where reading resumes, `more` whether that is worth doing at once."""

    records: list[Record]
    cursor: str
    more: bool


class Unread(Unavailable):
    """Some records of a page cannot be had, while the others can.

    After some tries the reader may do without them: `page` is the page as it is without the `missing` ones, of which
    each is what is known, with its id. Its cursor does not come back to them until they change.
    """

    def __init__(self, message: str, page: Page, missing: list[Record]) -> None:
        super().__init__(message)
        self.page, self.missing = page, missing


class Provider(ABC):
    """One configured account of an order API.

    It holds credentials, never progress and never policy. It knows neither Redis nor Celery nor the clock.
    """

    kind: ClassVar[str]
    #: The adapter's own keys of a `[providers.NAME]` table.
    Options: ClassVar[type[BaseModel]]
    #: The address of every account, or None if each account has its own.
    default_url: ClassVar[str | None] = None
    #: Requests per window when the account names none, e.g. `10/s`.
    default_limit: ClassVar[str]
    #: The highest limit the maker documents, or None where it names none.
    documented_limit: ClassVar[str | None]
    #: Seconds between polls when the account names none.
    default_poll_every: ClassVar[float]
    #: Whether the limit is counted per calling address (all accounts of the kind share it) rather than per account.
    limit_per_address: ClassVar[bool] = False
    #: The field of `Order` in which an order that a target of this kind created carries its reference, when it is read
    #: back here: what our own writes are recognised by. None: this kind is no target.
    reference_field: ClassVar[Literal["external_id", "source_id"] | None] = None
    #: HTTP statuses by which this system says "slow down" (not "down").
    throttle_statuses: ClassVar[frozenset[int]] = frozenset({429})

    def __init__(self, name: str, options: BaseModel, client: Client) -> None:
        self.name, self.client = name, client
        self.configure(options)

    def configure(self, options: Any) -> None:
        """Take over the account's own options (an instance of `Options`)."""
        self.options = options

    @abstractmethod
    def start(self, since: datetime) -> str:
        """The cursor that reads everything that changed at or after `since` (aware UTC). Pure."""

    @abstractmethod
    def fetch(self, cursor: str) -> Page:
        """Read the page at `cursor`: all the I/O, nothing remembered. An empty last page keeps its cursor."""

    @abstractmethod
    def fetch_one(self, external_id: str) -> Record | None:
        """Read one order by its `Order.external_id`; None if the provider does not have it."""

    @abstractmethod
    def normalize(self, record: Record) -> Order:
        """Turn a record into an order. Pure: no network, no clock. Raises Malformed naming the field."""

    @abstractmethod
    def check(self) -> None:
        """Prove the credentials by the cheapest call that needs them. Raises AuthFailed, Unavailable and their like."""

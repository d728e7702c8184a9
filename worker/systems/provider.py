"""The contract of a provider: an order API that orders are read from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from worker.errors import Unavailable
from worker.systems.declared import require_declared

if TYPE_CHECKING:
    from datetime import datetime

    from pydantic import BaseModel

    from schemas.order import Order
    from worker.http.client import Client


@dataclass(frozen=True, slots=True)
class Record:
    """One item as the provider sent it: JSON, with a Decimal for every number that has a fraction.

    `version` is the version (see `Order.version`) that the provider sends beside the item: an order of RetailCRM does
    not contain it. Where an item is not JSON, `raw` is a Fragment (`worker/jsontext/fragments.py`), as `Answer.json`
    returns it: it holds the fields that could be recognized, and becomes a dead letter.
    """

    raw: dict[str, Any]
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A batch of records. Reading resumes at `cursor`, at once if there is `more`."""

    records: list[Record]
    cursor: str
    more: bool


class Unread(Unavailable):
    """Raised when some records of a page could not be fetched.

    The reader goes on with `page`, which holds the other records, and fetches the `missing` ones by themselves: the
    cursor of the page does not return to them until they change. Each missing record holds what is known of it, with
    its id. `account`: nothing could be fetched, so the fault may be that of the account: the page is tried again
    first.
    """

    def __init__(self, message: str, page: Page, missing: list[Record], *, account: bool = False) -> None:
        super().__init__(message)
        self.page, self.missing, self.account = page, missing, account


class Provider(ABC):
    """One configured account of an order API.

    It holds credentials, but neither progress nor policy. It knows neither Redis nor Celery nor the clock.
    """

    kind: ClassVar[str]
    #: The adapter's own keys of a `[providers.NAME]` table.
    Options: ClassVar[type[BaseModel]]
    #: The address of every account, or None if each account has its own.
    default_url: ClassVar[str | None] = None
    #: The limit of an account without a `limit`, e.g. `10/s`.
    default_limit: ClassVar[str]
    #: The highest limit that the maker documents; None if the documents name none.
    documented_limit: ClassVar[str | None]
    #: Seconds between the polls of an account without a `poll_every`.
    default_poll_every: ClassVar[float]
    #: The system counts requests per calling address, so that all accounts of the kind share a limit.
    limit_per_address: ClassVar[bool] = False
    #: The options that tell an account from the others of the kind at the same address: a name, a site, an id. One that
    #: is replaced now and then, such as a key, belongs here only if nothing else distinguishes two accounts.
    identified_by: ClassVar[tuple[str, ...]] = ()
    #: The field of a record that holds the `external_id` of its order.
    id_field: ClassVar[str] = "id"
    #: The field of `Order` that carries the reference of an order that a target of this kind created: it tells our own
    #: orders from others. None: there is no target of this kind.
    reference_field: ClassVar[Literal["external_id", "source_id"] | None] = None
    #: The option that limits an account to one site or store, if only within one no two orders have the same
    #: `Order.source_id`. None: no two orders of an account have.
    source_id_within: ClassVar[str | None] = None
    #: The HTTP statuses that mean "slow down" in this system, rather than "unavailable".
    throttle_statuses: ClassVar[frozenset[int]] = frozenset({429})

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "kind" in vars(cls):
            require_declared(cls, Provider)

    def __init__(self, name: str, options: BaseModel, client: Client) -> None:
        self.name, self.client = name, client
        self.configure(options)

    def configure(self, options: Any) -> None:
        """Take over the account's own options (an instance of `Options`)."""
        self.options = options

    @abstractmethod
    def start(self, since: datetime) -> str:
        """Return the cursor that reads everything that changed at or after `since` (UTC, with its zone). Pure."""

    @abstractmethod
    def fetch(self, cursor: str) -> Page:
        """Read the page at `cursor`, and remember nothing. An empty last page keeps its cursor.

        Pages may be fetched in several threads, also while `normalize` runs (see `worker/systems/ahead.py`).
        """

    @abstractmethod
    def fetch_one(self, external_id: str) -> Record | None:
        """Read one order by its `Order.external_id`. Return None if the provider does not have it."""

    @abstractmethod
    def normalize(self, record: Record) -> Order:
        """Turn a record into an order. Pure: no network, no clock. Raises Malformed with the name of the field."""

    def lacks(self) -> frozenset[str]:
        """Return the fields of `Order` that no order of this account has, such as "lines.sku". Pure.

        `intake check` compares them with `Target.needs` for each route.
        """
        return frozenset()

    @abstractmethod
    def check(self) -> None:
        """Check the credentials by the cheapest call that needs them. Raises AuthFailed, Unavailable and others."""

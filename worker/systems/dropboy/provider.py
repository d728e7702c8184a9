"""Dropboy (by Wuxus) as a provider (docs.dropboy.com/reference, "introduction"): its list is read repeatedly."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from schemas import dropboy as wire
from schemas.minor_units import Currency
from schemas.order import Order, Status
from schemas.reading import read
from worker.errors import Malformed, Rejected
from worker.systems.dropboy.api import Api
from worker.systems.dropboy.order import Account, to_order
from worker.systems.dropboy.walk import Place
from worker.systems.narrowing import read_rows
from worker.systems.parsing import parse
from worker.systems.provider import Page, Provider, Record
from worker.systems.steps import note_place

if TYPE_CHECKING:
    from worker.jsontext.fragments import Fragment

_BARE: Final = 'Write bare = "accept" to read them without one, or ask Dropboy for the fields of the list.'
#: All ids in the documents are ObjectIds of MongoDB: their first four bytes are the second of their creation.
_OBJECT_ID: Final = re.compile(r"([0-9a-f]{8})[0-9a-f]{16}")


class DropboyOptions(BaseModel):
    """The keys of a Dropboy account.

    What an element of the list shows beside its id is documented nowhere. `bare` says what an order is that shows no
    destination, or not when it was made: `refuse` makes it a dead letter that names the field, `accept` takes it as it
    is, made when its id says. One that does not show when it was made is read whatever the start. `currency` is the
    account's, which no answer names: without it no amount is read. `time_zone` makes a time window a promised day with
    its hours; without it, it is a text. `take` orders are asked for at once. `depth` rows from the front are read by
    each poll, and all of the list by each `full_every`-th; left out, each poll reads all of it. With a `depth`, what is
    new behind it waits for a full poll.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    api_key: SecretStr
    bare: Literal["refuse", "accept"] = "refuse"
    currency: Currency | None = None
    time_zone: ZoneInfo | None = None
    take: Annotated[int, Field(ge=1, le=1000)] = 200
    depth: Annotated[int, Field(ge=1)] | None = None
    full_every: Annotated[int, Field(ge=1)] = 12
    status_map: dict[str, Status] = {}


class Dropboy(Provider):
    """One account. The documents announce a limit and ask for a "reasonable frequency"; the default is 2/s."""

    kind: ClassVar[str] = "dropboy"
    Options: ClassVar[type[BaseModel]] = DropboyOptions
    #: Only the key distinguishes two accounts.
    identified_by: ClassVar[tuple[str, ...]] = ("api_key",)
    default_url: ClassVar[str | None] = "https://api.wuxus.com"
    default_limit: ClassVar[str] = "2/s"
    documented_limit: ClassVar[str | None] = None
    default_poll_every: ClassVar[float] = 300
    reference_field: ClassVar[Literal["external_id", "source_id"] | None] = "source_id"

    def configure(self, options: DropboyOptions) -> None:
        """Take over the account's options."""
        self.options: DropboyOptions = options
        self._api = Api(self.client, options.api_key, options.take)

    def start(self, since: datetime) -> str:
        """Start at the front of the list, which cannot be filtered by time; see `Place`."""
        return Place.start(since).text()

    def fetch(self, cursor: str) -> Page:
        """Read one page of the pass by `GET /public/orders`; of a page that cannot be read, a part (`narrowing.py`)."""
        begun, take = Place.model_validate_json(cursor), self._api.take
        rows, position = read_rows(
            begun.at,
            take,
            self._api.page,
            _lone,
            "result",
            note=lambda smaller: note_place(begun.model_copy(update={"at": smaller}).text()),
        )
        place = begun.model_copy(update={"at": position})
        after = place.after(rows, take, self.options.depth, self.options.full_every)
        return Page([Record(row) for row in place.select(rows)], after.text(), after.is_within)

    def fetch_one(self, external_id: str) -> Record | None:
        """Read the list until the order comes: no call for one order is documented."""
        return next((Record(row) for row in self._api.rows() if wire.id_of(row) == external_id), None)

    def normalize(self, record: Record) -> Order:
        """Turn a job into an order."""
        return parse("order", lambda: self._order(record))

    def lacks(self) -> frozenset[str]:
        """Return what no job has: goods, names in two parts, and without a currency an amount."""
        goods = {f"lines.{name}" for name in ("product_id", "sku", "unit_price")}
        amounts = set() if self.options.currency else {"currency", "totals.grand", "totals.shipping"}
        return frozenset(goods | amounts | {"shipping_address.first_name", "shipping_address.region"})

    def check(self) -> None:
        """Read one order of the list, which must show where it goes."""
        rows = self._api.page(0, 1)
        if rows and self.options.bare == "refuse" and not isinstance(wire.flat(rows[0]).get("destination"), dict):
            raise Rejected(f"GET /public/orders: the orders of the list show no destination. {_BARE}")

    def _order(self, record: Record) -> Order:
        raw = wire.flat(record.raw)
        job, unread = read(wire.Order, raw)
        options = self.options
        made = job.made or (_made(job.id) if options.bare == "accept" else None)
        if job.destination is None and options.bare == "refuse":
            raise Malformed("order: destination: missing; set the option bare", "destination")
        if made is None:
            raise Malformed("order: createdAt: missing; set the option bare", "createdAt")
        account = Account(self.name, options.currency, options.time_zone, options.status_map)
        return to_order(job, raw, unread, made, account)


def _lone(row: Fragment) -> list[dict[str, Any]]:
    """Return the page of one order that cannot be read."""
    return [row]


def _made(external_id: str) -> datetime | None:
    match = _OBJECT_ID.fullmatch(external_id)
    return datetime.fromtimestamp(int(match[1], 16), UTC) if match else None

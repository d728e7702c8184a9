"""Sitecore OrderCloud as a provider: orders by their last change, with one call for the lines of each."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from schemas import ordercloud as wire
from schemas.order import Order, Status
from worker.errors import AuthFailed, IntakeError, OutOfTime, RateLimited, SnoozeError, TargetDown, Unavailable
from worker.http.paths import segment
from worker.settings.addresses import web_url
from worker.settings.durations import Seconds
from worker.systems.ahead import announce_page, calls_for
from worker.systems.narrowing import read_rows
from worker.systems.ordercloud.account import Account, TooMany, parsed
from worker.systems.ordercloud.order import STATUSES, to_order
from worker.systems.ordercloud.walk import Place, moment
from worker.systems.paging import PagePosition
from worker.systems.parsing import objects, parse
from worker.systems.provider import Page, Provider, Record, Unread
from worker.systems.steps import Gathered, current_place, note_place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from worker.jsontext.fragments import Fragment


#: The most orders of a page that fail by themselves while none can be read. With more, the account may fail.
_AT_ONCE: Final = 2
#: The last orders of a page. When their turn comes, the next list is requested: calls that were begun for several of
#: them already wait for the limit before it, and the others follow while the list is under way.
_LAST: Final = 8
#: Failures, without an order that can be read, after which the rest of a page is not asked for.
_TRIED: Final = 10


class OrderCloudOptions(BaseModel):
    """The keys of an OrderCloud account; `url` is the API's address without `/v1`.

    `auth_url` is where tokens are given, if that is another place. `direction` is as the API client sees the orders:
    a seller has them incoming. `overlap` (seconds) is how much is read again each time: the list comes from an index
    that is late by "seconds to minutes". `page_size` is how many orders are read between two checkpoints, each by one
    call, or by two where `lines` are read from their own list; `payments` reads the payments of each order as well,
    which is one more call. An order that goes to several addresses is malformed, unless `several_addresses` is "first".
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    client_id: Annotated[str, Field(min_length=1)]
    client_secret: SecretStr
    scope: str = "OrderReader"
    auth_url: Annotated[str, AfterValidator(web_url)] | None = None
    direction: Literal["Incoming", "Outgoing", "All"] = "Incoming"
    overlap: Annotated[Seconds, Field(ge=1, le=86400)] = 300
    page_size: Annotated[int, Field(ge=1, le=100)] = 20
    lines: Literal["worksheet", "lineitems"] = "worksheet"
    payments: bool = False
    several_addresses: Literal["refuse", "first"] = "refuse"
    status_map: dict[str, Status] = {}


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An order to be read: its row in the list, the key of that, and what was read of it."""

    row: dict[str, Any]
    key: str
    gathered: Gathered = field(default_factory=Gathered)


@dataclass
class _Read:
    """What was read of a page: the orders, the keys of the rows that are done with, and what is missing, and why."""

    records: list[Record] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    missing: list[Record] = field(default_factory=list)
    refusal: str = ""
    #: Whether the time was over before the end of the page, and no list of the last order could be read in part.
    interrupted: bool = False
    slow: bool = False

    def miss(self, row: dict[str, Any], key: str, refusal: str) -> None:
        """Note that the order of a row cannot be read."""
        self.missing.append(Record(row))
        self.settled.append(key)
        self.refusal = refusal


class OrderCloud(Provider):
    """One account. No limit is documented; OrderCloud's own integration makes about five calls at a time."""

    kind: ClassVar[str] = "ordercloud"
    Options: ClassVar[type[BaseModel]] = OrderCloudOptions
    identified_by: ClassVar[tuple[str, ...]] = ("client_id",)
    default_limit: ClassVar[str] = "5/s"
    documented_limit: ClassVar[str | None] = None
    default_poll_every: ClassVar[float] = 60
    id_field: ClassVar[str] = "ID"
    reference_field = "external_id"

    def configure(self, options: OrderCloudOptions) -> None:
        """Take over the account's options."""
        self.options: OrderCloudOptions = options
        secret = options.client_secret.get_secret_value()
        credentials = {"client_id": options.client_id, "client_secret": secret, "scope": options.scope}
        auth = self.client.beside(options.auth_url) if options.auth_url else self.client
        self._account = Account(self.client, auth, credentials)
        self._orders = f"/v1/orders/{options.direction}"
        self._overlap = timedelta(seconds=options.overlap)
        self._statuses = {**STATUSES, **options.status_map}

    def start(self, since: datetime) -> str:
        """Start by the time of the last change; see `Place`."""
        return Place.start(since).text()

    def fetch(self, cursor: str) -> Page:
        """Read a page of the list, then each of its orders that was not returned recently and still exists.

        Raises Unread for listed orders that cannot be read. If several fail and none can be read, the others are not
        asked for: the account itself may fail. If the time is over before the page is read, the next page has the rest.
        """
        place, rows, now = self._rows(Place.model_validate_json(cursor).begin(self._overlap))
        read, returned = _Read(), set(place.seen)
        wanted = [_Wanted(row, key) for row in rows.items if (key := _key(row)) not in returned]
        for number, (each, call) in enumerate(zip(wanted, calls_for(self._read, wanted), strict=True)):
            if number == max(0, len(wanted) - _LAST):
                self._announce(place, rows, now, [other.key for other in wanted if not _is_cart(other.row)])
            if not self._read_into(read, each, call):
                break
        if read.interrupted:
            after, more = place.remember([*read.settled, *read.gone]), True
        else:
            after, more = place.remember(read.settled).after(rows, self.options.page_size, now)
        page = Page(read.records, after.text(), more)
        if read.missing:
            alone = read.slow or len(read.missing) > _AT_ONCE
            raise Unread(read.refusal, page, read.missing, account=not read.records and alone)
        return page

    def _announce(self, place: Place, rows: wire.Rows, now: datetime | None, keys: list[str]) -> None:
        """Announce the next page: its cursor is that if each order of this one can be read, and is not older."""
        after, more = place.remember(keys).after(rows, self.options.page_size, now)
        if more:
            announce_page(after.text())

    def _read_into(self, read: _Read, wanted: _Wanted, call: Callable[[], dict[str, Any] | None]) -> bool:
        """Read the order of a row. Return False if the time is over: then an order is missing that takes it all."""
        fails, row, key = not read.records and len(read.missing) >= _TRIED, wanted.row, wanted.key
        try:
            raw = None if fails else call()
        except (RateLimited, TargetDown):
            raise
        except OutOfTime as error:
            read.interrupted, read.slow = True, not wanted.gathered.began
            if not read.settled and not read.gone:
                read.miss(row, key, str(error))
            return False
        except IntakeError as error:
            if isinstance(error, AuthFailed) and not read.records and len(read.missing) >= _AT_ONCE:
                raise
            read.miss(row, key, str(error))
            return True
        if fails:
            read.miss(row, key, read.refusal)
        elif raw is None:
            read.gone.append(key)
        else:
            read.records.append(Record(raw))
            if _is_no_older(raw, row):
                read.settled.append(key)
        return True

    def fetch_one(self, external_id: str) -> Record | None:
        """Read an order by its ID: the list may lag behind. A cart is not an order.

        An order of many lines is read in steps.
        """
        gathered = Gathered(current_place())
        try:
            raw = self._whole(external_id, gathered)
        except SnoozeError:
            gathered.note()
            raise
        return None if raw is None else Record(raw)

    def normalize(self, record: Record) -> Order:
        """Turn a record into an order."""
        return parse(
            "order",
            lambda: to_order(
                record.raw,
                provider=self.name,
                statuses=self._statuses,
                several_addresses=self.options.several_addresses,
                both_directions=self.options.direction == "All",
            ),
        )

    def check(self) -> None:
        """Read a list of one order."""
        self._list(self._orders, [], page=1, size=1)

    def _rows(self, place: Place) -> tuple[Place, wire.Rows, datetime | None]:
        """Return the place, its rows and the server's clock. If more pages follow, the place gets an end.

        Of a page that cannot be read, return a part, or the one row that cannot be read (see `narrowing.py`).
        """
        size = self.options.page_size
        while True:
            try:
                ask = partial(self._page, place, "LastUpdated,ID")
                (rows, now), position = read_rows(place.rows, size, ask, _lone, "Items", note=partial(_note, place))
            except TooMany:
                narrowed = place.narrow()
                if narrowed is None:
                    raise
                place = narrowed
                _note(place, place.rows)
            else:
                break
        place = place.model_copy(update={"rows": position})
        if place.until is None and rows.more_after(position.number(size), position.size(size)):
            (newest, _), _ = read_rows(PagePosition(), 1, partial(self._page, place, "!LastUpdated"), _lone, "Items")
            if any(map(moment, newest.items)):  # else the pass has no end yet
                place = place.up_to([*newest.items, *rows.items], now)
        return place, rows, now

    def _page(self, place: Place, order: str, skip: int, size: int) -> tuple[wire.Rows, datetime | None]:
        """Return the page of `size` rows behind the first `skip`, and the server's clock."""
        query = [*place.bounds(), ("sortBy", order)]
        return self._list(self._orders, query, page=skip // size + 1, size=size)

    def _list(
        self, path: str, query: list[tuple[str, str]], *, page: int, size: int
    ) -> tuple[wire.Rows, datetime | None]:
        answer = self._account.get(path, [*query, ("page", str(page)), ("pageSize", str(size))])
        rows = parse(answer.request, lambda: wire.Rows.model_validate(answer.json("Items")), Unavailable)
        return rows.model_copy(update={"items": objects(rows.items)}), answer.now

    def _read(self, wanted: _Wanted) -> dict[str, Any] | None:
        """Return the whole order of a row; None if it is gone, or a cart. `normalize` handles a row without an id."""
        try:
            row = wire.Row.model_validate(wanted.row)
        except ValidationError:
            return wanted.row
        return None if row.is_cart else self._whole(row.id, wanted.gathered)

    def _whole(self, order_id: str, gathered: Gathered) -> dict[str, Any] | None:
        """Return the order with its lines. They are read separately if the worksheet is missing or incomplete."""
        path = f"{self._orders}/{segment(order_id)}"
        answer = self._account.find(f"{path}/worksheet") if self.options.lines == "worksheet" else None
        if answer is not None:
            sheet = parsed(wire.Worksheet, answer)
            order, lines = {**sheet.order, **sheet.parts}, sheet.line_items
        else:
            answer = self._account.find(path)
            if answer is None:
                return None
            order, lines = answer.json(), []
        row = parse(answer.request, lambda: wire.Row.model_validate(order), Unavailable)
        if row.is_cart:
            return None
        gathered.of(f"{order.get('LastUpdated')} {row.line_item_count}")
        if row.line_item_count is None or len(lines) < row.line_item_count:
            lines = self._rows_of(f"{path}/lineitems", gathered)
        payments = {"Payments": self._rows_of(f"{path}/payments", gathered)} if self.options.payments else {}
        return {**order, "LineItems": lines, **payments}

    def _rows_of(self, path: str, gathered: Gathered) -> list[dict[str, Any]]:
        """Return the items of all pages of a list. Their order is not documented: the same item may come twice."""
        name = path.rpartition("/")[2]
        items, page, more = gathered.items(name)
        while more:
            page += 1
            rows, _ = self._list(path, [], page=page, size=100)
            items |= {str(item.get("ID", (page, at))): item for at, item in enumerate(rows.items)}
            more = rows.more_after(page, 100)
            gathered.keep(name, items, page, more=more)
        return list(items.values())


def _note(place: Place, rows: PagePosition) -> None:
    """Note where an interrupted call continues: with the smaller page, or the shorter time span, of this place."""
    note_place(place.model_copy(update={"rows": rows}).text())


def _lone(row: Fragment) -> tuple[wire.Rows, None]:
    """Return the page of one row that cannot be read."""
    return wire.Rows.model_validate({"Meta": {}, "Items": [row]}), None


def _key(row: Mapping[str, Any]) -> str:
    """Return a digest of the id and the last change of a row, in sixteen characters."""
    text = f"{row.get('ID')} {row.get('LastUpdated')}"
    return urlsafe_b64encode(hashlib.blake2b(text.encode(), digest_size=12).digest()).decode()


def _is_cart(row: dict[str, Any]) -> bool:
    try:
        return wire.Row.model_validate(row).is_cart
    except ValidationError:
        return False


def _is_no_older(order: dict[str, Any], row: dict[str, Any]) -> bool:
    """Return whether the order is not older than its row in the list."""
    changed, listed = moment(order), moment(row)
    return changed is not None and listed is not None and changed >= listed

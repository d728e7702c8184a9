"""DropStream as a provider: orders by the time of their import, read in sessions."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from schemas import dropstream as wire
from schemas.order import Order, Status
from worker.errors import AuthFailed, PermanentError, RetryableError, Unavailable, Uncertain
from worker.http.client import TooLarge
from worker.http.paths import segment
from worker.http.refusals import ELSEWHERE
from worker.jsontext.fragments import Fragment
from worker.settings.durations import Seconds
from worker.systems.bearer import Bearer
from worker.systems.dropstream.order import to_order
from worker.systems.dropstream.waiting import read_again, remembered
from worker.systems.narrowing import may_be_a_record, read_rows
from worker.systems.paging import PagePosition
from worker.systems.parsing import objects, parse
from worker.systems.provider import Page, Provider, Record
from worker.systems.steps import note_place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.http.client import Answer

M = TypeVar("M", bound=BaseModel)
_NOT_FOUND: Final = 404
#: The statuses that may mean that a session has ended: it is not documented which one does.
_ENDED: Final = frozenset(range(400, 500)) - {401, 403, 407, 408, 425, 429} - (ELSEWHERE - {404, 410})


class DropStreamOptions(BaseModel):
    """The keys of a DropStream account.

    `store_id` is a store's id or name. `overlap` (seconds) is how much is read again each time: an order may be seen
    later than a younger one, and whether a bound in time counts as inside stands nowhere. A change of an order that
    is older than that is not seen: they have no list of changes. Only orders that wait for a person or another try are
    read again, 20 in each poll. `assume_quantity` is for items without a quantity.
    """

    model_config = ConfigDict(
        defer_build=True, frozen=True, extra="forbid", hide_input_in_errors=True, coerce_numbers_to_str=True
    )

    user: Annotated[str, Field(pattern=r"^[^:]+$")]
    password: SecretStr
    store_id: str | None = None
    overlap: Annotated[Seconds, Field(ge=1, le=86400)] = 300
    page_size: Annotated[int, Field(ge=1, le=1000)] = 1000
    assume_quantity: Literal["refuse", "one"] = "refuse"
    status_map: dict[str, Status] = {}


class Place(BaseModel):
    """The place of the reading: the import time of the newest order that was read, and the last page of `session`.

    Orders come by ascending id, "which loosely corresponds" to the time of their import ("Sorting"). An order that
    was not read yet is expected to be at most `overlap` older than `at`.

    The size of a session's pages is fixed, and its first answer names it. So after a page that could not be read, the
    rest of the pass is read by page numbers: the orders imported since `base`, of which `rows` were read. If the
    `total` shrinks meanwhile, a row may have moved to a page that was read already, and reading begins again at `base`.
    """

    model_config = ConfigDict(defer_build=True, frozen=True)

    at: datetime
    session: str | None = None
    page: int = 0
    #: The ids of orders that wait in a state that they are expected to leave.
    waiting: tuple[int, ...] = ()
    base: datetime | None = None
    rows: PagePosition = PagePosition()
    total: int | None = None

    def text(self) -> str:
        """Return the place as a cursor: equal places have equal texts."""
        return self.model_dump_json(exclude_defaults=True)

    def after(self, answer: wire.Orders, now: datetime | None = None) -> tuple[Place, bool]:
        """Return the place after a page, and whether more pages follow: a page that is not full is the last.

        The end of a session is not documented. An order imported later than the server's clock `now` does not move the
        place, or the orders imported until then would be skipped.
        """
        at = self._newest(answer.orders, now)
        if not _is_full(answer):
            return Place(at=at, waiting=self.waiting), False
        return Place(at=at, session=answer.session_id, page=answer.page, waiting=self.waiting), True

    def after_numbered(
        self, answer: wire.NumberedOrders, size: int, overlap: timedelta, now: datetime | None = None
    ) -> tuple[Place, bool]:
        """Return the place after a page with a number, and whether more pages follow. `size` is usual for a page."""
        at, total = self._newest(answer.orders, now), answer.total_count
        if self.total is not None and total is not None and total < self.total:
            return self.model_copy(update={"at": at, "rows": self.rows.front(size), "total": None}), True
        if _is_full(answer):
            return self.model_copy(update={"at": at, "rows": self.rows.after(size), "total": total}), True
        # Where not all orders are shown, the others are read from a later time on.
        later = [base for base in (at - overlap, at) if self.base and base > self.base]
        base = later[0] if later and answer.max_total_reached else None
        return Place(at=at, waiting=self.waiting, base=base), base is not None

    def _newest(self, orders: Sequence[dict[str, Any]], now: datetime | None) -> datetime:
        return max([self.at, *(at for at in _imports(orders) if now is None or at <= now)])


class DropStream(Provider):
    """One account. Quotations are from the pages on /orders and /auth/token of dev.getdropstream.com."""

    kind: ClassVar[str] = "dropstream"
    Options: ClassVar[type[BaseModel]] = DropStreamOptions
    identified_by: ClassVar[tuple[str, ...]] = ("user", "store_id")
    source_id_within: ClassVar[str | None] = "store_id"
    default_limit: ClassVar[str] = "2/s"
    documented_limit: ClassVar[str | None] = None
    default_poll_every: ClassVar[float] = 300

    def configure(self, options: DropStreamOptions) -> None:
        """Take over the account's options."""
        self.options: DropStreamOptions = options
        pair = f"{options.user}:{options.password.get_secret_value()}".encode()
        self._basic = {"Authorization": f"Basic {b64encode(pair).decode()}"}
        self._bearer = Bearer(self.client, self._token)
        #: The session whose last call failed.
        self._suspect: str | None = None

    def start(self, since: datetime) -> str:
        """Start by time; the first call opens a session."""
        return Place(at=since.astimezone(UTC)).text()

    def fetch(self, cursor: str) -> Page:
        """Read the next page of the session, or the first page of a new one if the session has ended.

        Of a page that cannot be read, read a part (see `narrowing.py`). The last page has some of the waiting orders
        besides.
        """
        orders, place, more = self._page(Place.model_validate_json(cursor))
        records, waiting = [Record(order) for order in orders], place.waiting
        if waiting and not more:
            again, waiting = read_again(waiting, records, self.fetch_one)
            records += again
        waiting = remembered(waiting, records, self.options.status_map)
        return Page(records, place.model_copy(update={"waiting": waiting}).text(), more)

    def fetch_one(self, external_id: str) -> Record | None:
        """Read an order by DropStream's own id. The token proves the url, so a 404 concerns the order."""
        answer = self._bearer.read(f"/orders/{segment(external_id)}", accept=frozenset({_NOT_FOUND}))
        return None if answer.status == _NOT_FOUND else Record(_parsed(wire.OneOrder, answer).order)

    def normalize(self, record: Record) -> Order:
        """Turn a record into an order."""
        return parse(
            "order",
            lambda: to_order(
                record.raw,
                provider=self.name,
                status_map=self.options.status_map,
                assumed_quantity=Decimal(1) if self.options.assume_quantity == "one" else None,
            ),
        )

    def check(self) -> None:
        """Request a token."""
        self._token()

    def _page(self, place: Place) -> tuple[list[dict[str, Any]], Place, bool]:
        """Return the orders of the next page, the place after it, and whether more pages follow."""
        overlap, size = timedelta(seconds=self.options.overlap), self.options.page_size
        if place.base is None:
            try:
                orders, now = self._next(place) or self._first(place)
            except (Unavailable, TooLarge) as error:
                if not may_be_a_record(error):
                    raise
                rows = PagePosition(most=size // 2)
                place = Place(at=place.at, waiting=place.waiting, base=place.at - overlap, rows=rows)
            else:
                return orders.orders, *place.after(orders, now)
        begun = place
        (numbered, now), rows = read_rows(
            place.rows,
            size,
            partial(self._numbered, place),
            _lone,
            "orders",
            note=lambda smaller: note_place(begun.model_copy(update={"rows": smaller}).text()),
        )
        place = place.model_copy(update={"rows": rows})
        return numbered.orders, *place.after_numbered(numbered, size, overlap, now)

    def _numbered(self, place: Place, skip: int, size: int) -> tuple[wire.NumberedOrders, datetime | None]:
        """Return the page of `size` orders after the first `skip`, and the server's clock."""
        number = ("page", str(skip // size + 1))
        answer = self._bearer.read("/orders", [*self._query(place.base or place.at, size), number])
        model = wire.NumberedOrders
        orders = parse(answer.request, lambda: model.model_validate(answer.json("orders")), Unavailable)
        if orders.limit != size:
            raise Unavailable(f"{answer.request}: pages of {orders.limit} orders, {size} were asked for")
        return orders.model_copy(update={"orders": objects(orders.orders)}), answer.now

    def _first(self, place: Place) -> tuple[wire.Orders, datetime | None]:
        """Return the first page of a new session, and the server's clock."""
        since = place.at - timedelta(seconds=self.options.overlap)
        answer = self._bearer.read("/orders", self._query(since, self.options.page_size))
        return _orders(answer), answer.now

    def _next(self, place: Place) -> tuple[wire.Orders, datetime | None] | None:
        """Return the page after `place`, and the server's clock; None if its session ended, or skipped a page.

        A session only goes forward: a page whose answer was lost shows by the number of the next one. An error may
        mean that the session has ended, so the session is not used again after one.
        """
        if place.session is None or place.session == self._suspect:
            return None
        try:
            answer = self._bearer.read("/orders", [("session_id", place.session)], accept=_ENDED)
            orders = None if answer.status in _ENDED else _orders(answer)
        except (AuthFailed, RetryableError, PermanentError):
            self._suspect = place.session
            raise
        return (orders, answer.now) if orders and orders.page == place.page + 1 else None

    def _query(self, since: datetime, size: int) -> list[tuple[str, str]]:
        """Return the query of a list. Its time has all parts: missing ones are guessed ("DateStrings")."""
        store = [("store_id", self.options.store_id)] if self.options.store_id else []
        moment = since.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return [("created_at_min", moment), *store, ("limit", str(size))]

    def _token(self) -> str:
        """Return a new token. The request changes nothing, so a lost answer is a failed read."""
        body = {"grant_type": "client_credentials"}
        try:
            answer = self.client.write("POST", "/auth/token", json=body, headers=self._basic)
            return _parsed(wire.Token, answer).access_token
        except Uncertain as error:
            raise Unavailable(str(error)) from None


def _lone(row: Fragment) -> tuple[wire.NumberedOrders, None]:
    """Return the page of one order that cannot be read."""
    return wire.NumberedOrders(orders=[row], limit=1), None


def _is_full(answer: wire.Orders | wire.NumberedOrders) -> bool:
    """Return whether a page is full. A record that is not JSON may hide its neighbour, and count for both."""
    return len(answer.orders) + sum(isinstance(order, Fragment) for order in answer.orders) >= answer.limit


def _imports(orders: Sequence[dict[str, Any]]) -> list[datetime]:
    """Return the import times of these orders, without those that cannot be read."""
    moments = []
    for order in orders:
        try:
            moments.append(wire.Imported.model_validate(order).created_at)
        except (ValidationError, OverflowError):
            continue
    return [moment for moment in moments if moment]


def _orders(answer: Answer) -> wire.Orders:
    page = parse(answer.request, lambda: wire.Orders.model_validate(answer.json("orders")), Unavailable)
    return page.model_copy(update={"orders": objects(page.orders)})


def _parsed(model: type[M], answer: Answer) -> M:
    return parse(answer.request, lambda: model.model_validate(answer.json()), Unavailable)

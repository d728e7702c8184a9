"""An API like that of WooCommerce: a bare array, its totals in headers, amounts as text, times without a zone."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final
from urllib.parse import quote

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, TypeAdapter

from schemas import wire
from schemas.order import Address, Customer, Line, Order, Payment, Status, Totals
from worker.errors import Unavailable
from worker.systems.parsing import objects, parse
from worker.systems.provider import Page, Provider, Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from worker.http.client import Answer

_NOT_FOUND: Final = 404
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
STATUSES: Final[Mapping[str, Status]] = {
    **dict.fromkeys(("pending", "on-hold"), Status.NEW),
    "processing": Status.PAID,
    "completed": Status.DELIVERED,
    **dict.fromkeys(("cancelled", "failed", "trash"), Status.CANCELLED),
    "refunded": Status.RETURNED,
}


def _gmt(value: object) -> object:
    """Add the zone that the fields `..._gmt` leave out."""
    return f"{value}Z" if isinstance(value, str) and value and value[-1] != "Z" else value or None


Gmt = Annotated[AwareDatetime, BeforeValidator(_gmt)]


class Place(BaseModel):
    """A cursor: the page of the list of what was modified after `since`, the oldest change first.

    The next page is not the next number, but page 1 of what was modified after the last row: an order that enters or
    leaves the list moves nothing. Numbers count only within one second, and from page 1 again if the list has moved.
    """

    model_config = ConfigDict(frozen=True)

    since: AwareDatetime
    page: int = 1
    total: int | None = None

    def text(self) -> str:
        """Return the place as text."""
        return self.model_dump_json(exclude_defaults=True)

    def after(self, last: datetime | None, total: int, pages: int, overlap: timedelta) -> tuple[Place, bool]:
        """Return the place after a page whose last row was modified at `last`, and whether more can be read there."""
        if self.page > 1 and total != self.total:
            return Place(since=self.since), True
        if self.page >= pages:
            return Place(since=max(self.since, last - overlap) if last else self.since), False
        if last is not None and last - _SECOND > self.since:
            return Place(since=last - _SECOND), True
        return Place(since=self.since, page=self.page + 1, total=total), True


class WooPlace(BaseModel):
    """A person and an address: `billing` and `shipping` of an order."""

    first_name: wire.Maybe[str] = None
    last_name: wire.Maybe[str] = None
    company: wire.Maybe[str] = None
    address_1: wire.Maybe[str] = None
    address_2: wire.Maybe[str] = None
    city: wire.Maybe[str] = None
    state: wire.Maybe[str] = None
    postcode: wire.Maybe[str] = None
    country: wire.Maybe[str] = None
    email: wire.Maybe[str] = None
    phone: wire.Maybe[str] = None

    def address(self) -> Address:
        """Return the address."""
        names = {"street1": self.address_1, "street2": self.address_2, "region": self.state}
        own = self.model_dump(exclude={"address_1", "address_2", "state", "postcode"})
        return Address(**own, **names, postal_code=self.postcode)


class WooLine(BaseModel):
    """A line: `total` is the amount of the whole line after its discounts, without tax."""

    id: int
    name: str
    product_id: int | None = None
    sku: wire.Maybe[str] = None
    quantity: wire.Required
    price: wire.Required
    total: wire.Required
    total_tax: wire.Amount = None

    def line(self) -> Line:
        """Return the line; what the rounded price of one piece leaves over is its discount."""
        return Line(
            id=str(self.id),
            product_id=str(self.product_id) if self.product_id else None,
            sku=self.sku,
            name=self.name,
            quantity=self.quantity,
            unit_price=self.price,
            discount=self.price * self.quantity - self.total,
            tax=self.total_tax,
        )


class WooFee(BaseModel):
    """A fee of the whole order."""

    total: wire.Required


class WooCoupon(BaseModel):
    """A coupon: its discount is part of the lines."""

    code: str


class WooOrder(BaseModel):
    """An order; the fields that are not named here are kept in `Order.custom`."""

    model_config = ConfigDict(extra="allow")

    id: int
    number: wire.Maybe[str] = None
    status: str
    currency: wire.Maybe[str] = None
    date_created_gmt: Gmt
    date_modified_gmt: Gmt
    date_paid_gmt: Gmt | None = None
    total: wire.Required
    total_tax: wire.Amount = None
    shipping_total: wire.Amount = None
    customer_id: int = 0
    customer_note: wire.Maybe[str] = None
    payment_method_title: wire.Maybe[str] = None
    transaction_id: wire.Maybe[str] = None
    billing: wire.Object[WooPlace] = WooPlace()
    shipping: wire.Object[WooPlace] = WooPlace()
    line_items: wire.Essentials[WooLine]
    fee_lines: wire.List[WooFee] = []
    coupon_lines: wire.List[WooCoupon] = []

    def order(self, provider: str, statuses: Mapping[str, Status]) -> Order:
        """Return the order of the account `provider`."""
        who, paid = self.billing, self.date_paid_gmt
        payment = Payment(
            id=self.transaction_id,
            method=self.payment_method_title,
            status="paid" if paid else None,
            amount=self.total,
            paid_at=paid,
        )
        return Order(
            provider=provider,
            external_id=str(self.id),
            display_id=self.number,
            version=(self.date_modified_gmt - _EPOCH) // timedelta(microseconds=1),
            status=statuses.get(self.status, Status.UNKNOWN),
            status_raw=self.status,
            ordered_at=self.date_created_gmt,
            updated_at=self.date_modified_gmt,
            currency=self.currency,
            lines=tuple(row.line() for row in self.line_items),
            totals=Totals(
                shipping=self.shipping_total,
                tax=self.total_tax,
                fees=sum(fee.total for fee in self.fee_lines),
                grand=self.total,
            ),
            customer=Customer(
                id=str(self.customer_id) if self.customer_id else None,
                **who.model_dump(include={"first_name", "last_name", "company", "email", "phone"}),
            ),
            shipping_address=(self.shipping if self.shipping != WooPlace() else who).address(),
            billing_address=who.address() if who != WooPlace() else None,
            payments=(payment,) if self.payment_method_title else (),
            note=self.customer_note,
            discount_codes=tuple(coupon.code for coupon in self.coupon_lines),
            custom={"woo": self.model_extra} if self.model_extra else {},
        )


class WooOptions(BaseModel):
    """The keys of an account. Changes of the last `overlap` seconds are read again: some are seen late."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    consumer_key: SecretStr
    consumer_secret: SecretStr
    page_size: Annotated[int, Field(ge=1, le=100)] = 100
    overlap: Annotated[int, Field(ge=0, le=3600)] = 60
    status_map: dict[str, Status] = {}


class Woo(Provider):
    """One shop."""

    kind: ClassVar[str] = "woo"
    Options: ClassVar[type[BaseModel]] = WooOptions
    default_limit: ClassVar[str] = "5/s"
    documented_limit: ClassVar[str | None] = None
    default_poll_every: ClassVar[float] = 60

    def configure(self, options: WooOptions) -> None:
        """Take over the account's options."""
        self.options: WooOptions = options
        user, password = options.consumer_key.get_secret_value(), options.consumer_secret.get_secret_value()
        self._headers = {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}
        self._statuses = {**STATUSES, **options.status_map}

    def start(self, since: datetime) -> str:
        """Start with what was modified after `since`."""
        return Place(since=since.astimezone(UTC)).text()

    def fetch(self, cursor: str) -> Page:
        """Read one page by `GET /orders`."""
        place = Place.model_validate_json(cursor)
        query = [
            ("modified_after", place.since.strftime("%Y-%m-%dT%H:%M:%S")),
            ("dates_are_gmt", "true"),
            ("orderby", "modified"),
            ("order", "asc"),
            ("page", str(place.page)),
            ("per_page", str(self.options.page_size)),
        ]
        rows, total, pages = self._list(query)
        if not rows and place.page == 1:
            return Page([], cursor, more=False)
        last = max((moment for row in rows if (moment := _modified(row))), default=None)
        following, more = place.after(last, total, pages, timedelta(seconds=self.options.overlap))
        return Page([Record(row) for row in rows], following.text(), more)

    def fetch_one(self, external_id: str) -> Record | None:
        """Read `GET /orders/{id}`."""
        answer = self._get(f"/wp-json/wc/v3/orders/{quote(external_id, safe='')}", accept=frozenset({_NOT_FOUND}))
        if answer.status == _NOT_FOUND:
            self.check()  # a wrong url has a 404 as well
            return None
        raw = answer.json()
        parse(answer.request, lambda: _Known.model_validate(raw), Unavailable)
        return Record(raw)

    def normalize(self, record: Record) -> Order:
        """Turn an order of the list into an order."""
        return parse("order", lambda: WooOrder.model_validate(record.raw).order(self.name, self._statuses))

    def check(self) -> None:
        """Read one order of the list."""
        self._list([("per_page", "1")])

    def _list(self, query: Sequence[tuple[str, str]]) -> tuple[list[dict[str, Any]], int, int]:
        """Return the rows of a page, how many orders there are, and on how many pages.

        An array alone is no page: without the two headers nobody knows whether it is the last.
        """
        answer = self._get("/wp-json/wc/v3/orders", query)
        # "": the list is the whole body. One order that is not JSON hides no other.
        rows = objects(parse(answer.request, lambda: _ROWS.validate_python(answer.json("")), Unavailable))
        total, pages = (answer.headers.get(name, "") for name in ("X-WP-Total", "X-WP-TotalPages"))
        if not (total.isdecimal() and pages.isdecimal()):
            raise Unavailable(f"{answer.request}: no page of a list: X-WP-Total or X-WP-TotalPages is missing")
        return rows, int(total), int(pages)

    def _get(self, path: str, query: Sequence[tuple[str, str]] = (), accept: frozenset[int] = frozenset()) -> Answer:
        return self.client.read(path, query, headers=self._headers, accept=accept)


class _Known(BaseModel):
    """What a single order must have to be one."""

    id: int


_ROWS: Final = TypeAdapter(list[Any])
_MOMENT: Final = TypeAdapter(Gmt)


def _modified(row: dict[str, Any]) -> datetime | None:
    """Return when the order was modified; None if that cannot be read, which stops this order only."""
    try:
        return _MOMENT.validate_python(row.get("date_modified_gmt")).astimezone(UTC)
    except (ValueError, OverflowError):
        return None

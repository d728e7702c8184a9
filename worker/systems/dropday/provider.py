"""Dropday, API version 1, as a provider (docs.dropday.io, "Orders"): a window of its list is read repeatedly."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from schemas import dropday_list as wire
from schemas.order import Order, Status
from worker.errors import Misdirected, Unavailable
from worker.http.paths import segment
from worker.settings.durations import Seconds
from worker.systems.ahead import announce_page
from worker.systems.dropday.order import STATUSES, to_order
from worker.systems.dropday.walk import Place
from worker.systems.narrowing import read_rows
from worker.systems.parsing import objects, parse
from worker.systems.provider import Page, Provider, Record
from worker.systems.steps import note_place

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from worker.http.client import Answer
    from worker.jsontext.fragments import Fragment

_NOT_FOUND: Final = 404


class DropdayOptions(BaseModel):
    """The keys of a Dropday account.

    `window` (seconds) is how long after its creation an order is read again for its changes, which Dropday cannot be
    asked for: all orders of that time are read at each poll.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    api_key: SecretStr
    account_id: SecretStr
    include_test: bool = False
    window: Annotated[Seconds, Field(ge=3600, le=90 * 86400)] = 3 * 86400
    page_size: Annotated[int, Field(ge=1, le=100)] = 100
    status_map: dict[str, Status] = {}


class Dropday(Provider):
    """One account. Its ids are Dropday's references. No limit is documented; the default is 10/s."""

    kind: ClassVar[str] = "dropday"
    Options: ClassVar[type[BaseModel]] = DropdayOptions
    identified_by: ClassVar[tuple[str, ...]] = ("account_id",)
    default_url: ClassVar[str | None] = "https://dropday.io"
    default_limit: ClassVar[str] = "10/s"
    documented_limit: ClassVar[str | None] = None
    default_poll_every: ClassVar[float] = 300
    id_field: ClassVar[str] = "reference"
    #: An order that is read has the `external_id` that it was posted with (the docs show it beside their own
    #: `reference`), which is where the target writes its reference.
    reference_field: ClassVar[Literal["external_id", "source_id"] | None] = "source_id"

    def configure(self, options: DropdayOptions) -> None:
        """Take over the account's options."""
        self.options: DropdayOptions = options
        self._headers = {
            "api-key": options.api_key.get_secret_value(),
            "account-id": options.account_id.get_secret_value(),
            "Accept": "application/json",
        }
        self._statuses = {**STATUSES, **options.status_map}
        self._window = timedelta(seconds=options.window)

    def start(self, since: datetime) -> str:
        """Start by the time of creation, the only filter of the list; see `Place`."""
        return Place.start(since).text()

    def fetch(self, cursor: str) -> Page:
        """Read one page of the pass by `GET /orders`; of a page that cannot be read, a part (`narrowing.py`)."""
        place, size = Place.model_validate_json(cursor), self.options.page_size
        if (probable := place.probable(size)) is not None:
            announce_page(probable.text())
        (rows, now), position = read_rows(
            place.rows,
            size,
            partial(self._list, place),
            _lone,
            "data",
            note=lambda smaller: note_place(place.model_copy(update={"rows": smaller}).text()),
        )
        after = place.model_copy(update={"rows": position}).after(rows, size, self._window, now)
        return Page([Record(row) for row in place.select(rows)], after.text(), after.is_within)

    def fetch_one(self, external_id: str) -> Record | None:
        """Read `GET /orders/{reference}`: the order, with the logs of its lines."""
        answer = self._get(f"/api/v1/orders/{segment(external_id)}")
        if answer.status == _NOT_FOUND:
            self.check()  # a wrong url has a 404 as well
            return None
        raw = answer.json()
        parse(answer.request, lambda: wire.Known.model_validate(raw), Unavailable)
        return Record(raw)

    def normalize(self, record: Record) -> Order:
        """Turn an order of the list into an order."""
        return parse("order", lambda: to_order(record.raw, provider=self.name, statuses=self._statuses))

    def lacks(self) -> frozenset[str]:
        """Return what no order of Dropday has."""
        return frozenset({"currency"})

    def check(self) -> None:
        """Read `GET /api/v1`, which needs only the credentials."""
        answer = self._get("/api/v1")
        if answer.status == _NOT_FOUND:
            raise _no_account(answer)
        answer.json()

    def _list(self, place: Place, skip: int, size: int) -> tuple[wire.Rows, datetime | None]:
        """Return the page of `size` orders behind the first `skip`, and the server's clock."""
        test = [("include_test", "true")] if self.options.include_test else []
        page = ("page", str(skip // size + 1))
        answer = self._get("/api/v1/orders", [*place.query(), page, *test, ("per_page", str(size))])
        if answer.status == _NOT_FOUND:
            raise _no_account(answer)
        return parse(answer.request, lambda: _rows(answer), Unavailable), answer.now

    def _get(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Answer:
        return self.client.read(path, query, headers=self._headers, accept=frozenset({_NOT_FOUND}))


def _rows(answer: Answer) -> wire.Rows:
    rows = wire.Rows.model_validate(answer.json("data"))
    return rows.model_copy(update={"data": objects(rows.data)})


def _lone(row: Fragment) -> tuple[wire.Rows, None]:
    """Return the page of one order that cannot be read."""
    return wire.Rows(data=[row]), None


def _no_account(answer: Answer) -> Misdirected:
    return Misdirected(f"{answer.request}: status {answer.status}, no Dropday is there: the url is probably wrong")

"""RetailCRM (Simla.com), API version 5, as a provider: the history feed, then the orders that changed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from schemas import retailcrm as wire
from schemas.order import Order, Status
from worker.errors import Unavailable
from worker.http.client import TooLarge
from worker.http.paths import segment
from worker.settings.durations import Seconds
from worker.systems.ahead import announce_page
from worker.systems.halving import Reading
from worker.systems.narrowing import may_be_a_record
from worker.systems.parsing import objects, parse
from worker.systems.provider import Page, Provider, Record, Unread
from worker.systems.retailcrm.account import NOT_FOUND, Account
from worker.systems.retailcrm.changes import readable
from worker.systems.retailcrm.combined import COMBINED, as_combined, with_heirs
from worker.systems.retailcrm.feed import Place
from worker.systems.retailcrm.order import to_order
from worker.systems.retailcrm.removal import REMOVAL, removals, to_removed_order
from worker.systems.retailcrm.statuses import Reference

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from worker.http.client import Answer

M = TypeVar("M", bound=BaseModel)
#: The sizes of a page ("limit").
_SIZES: Final = (100, 50, 20)


class RetailCRMOptions(BaseModel):
    """The keys of a RetailCRM account.

    `time_zone` and `currency` are the account's own where left out. `overlap` (seconds) is how long a change may take
    from getting its id to being seen. `echo` says what to do with changes made through the API with this very key.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    api_key: SecretStr
    site: str | None = None
    time_zone: wire.ZoneKey | None = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    overlap: Annotated[Seconds, Field(ge=0, le=86400)] = 60
    page_size: Literal[20, 50, 100] = 100
    echo: Literal["drop", "keep"] = "drop"
    status_map: dict[str, Status] = {}


class RetailCRM(Provider):
    """One account. Quotations are from docs.simla.com, Developers / API."""

    kind: ClassVar[str] = "retailcrm"
    Options: ClassVar[type[BaseModel]] = RetailCRMOptions
    identified_by: ClassVar[tuple[str, ...]] = ("site",)
    source_id_within: ClassVar[str | None] = "site"
    default_limit: ClassVar[str] = "10/s"
    documented_limit: ClassVar[str | None] = "10/s"
    default_poll_every: ClassVar[float] = 300
    limit_per_address: ClassVar[bool] = True
    #: `externalId`, where the target writes its reference.
    reference_field: ClassVar[Literal["external_id", "source_id"] | None] = "source_id"
    throttle_statuses: ClassVar[frozenset[int]] = frozenset({429, 503})

    def configure(self, options: RetailCRMOptions) -> None:
        """Take over the account's options."""
        self.options: RetailCRMOptions = options
        self._account = Account(self.client, options.api_key)
        self._reference = Reference(self._account, options.status_map)
        self._zone = ZoneInfo(options.time_zone) if options.time_zone else None
        self._currency = options.currency

    def start(self, since: datetime) -> str:
        """Start by time: the first answer has the id to continue from."""
        return Place.start(since).text()

    def fetch(self, cursor: str) -> Page:
        """Read one page of changes ("Working with history"), then their current orders by a second call."""
        place, zone = Place.model_validate_json(cursor), self.zone()
        answer, unread = self._history(place, zone)
        after, changes = place.after(answer, zone, timedelta(seconds=self.options.overlap)), place.new(answer)
        if answer.pagination.more:
            announce_page(after.text())
        records, missing, reason = self._changed(changes)
        page = Page(records + unread, after.text(), answer.pagination.more)
        if missing:
            raise Unread(reason, page, missing)
        return page

    def fetch_one(self, external_id: str) -> Record | None:
        """Read an order by RetailCRM's own id. The record has no version, because that is a history id."""
        self.zone()  # so that `normalize` needs no call
        query = [("by", "id"), *([("site", self.options.site)] if self.options.site else [])]
        answer = self._account.get(f"orders/{segment(external_id)}", query, frozenset({NOT_FOUND}))
        if answer.status == NOT_FOUND:
            self._account.settings()  # a wrong url has a 404 as well, with a text in the account's language
            return None
        order = _parsed(wire.OneOrder, answer).order
        self._reference.learn([order])
        return Record(order)

    def normalize(self, record: Record) -> Order:
        """Turn an order into an order of ours.

        Pure, except that an unknown time zone is requested (see `zone`), and the codes of a record that was not read
        by `fetch` or `fetch_one` (see `Reference`).
        """
        zone = self.zone()
        if REMOVAL in record.raw:
            return parse("order", lambda: to_removed_order(record.raw, self.name, record.version, zone))
        raw = record.raw
        if COMBINED in raw:
            raw = {name: value for name, value in raw.items() if name != COMBINED}
        order = parse(
            "order",
            lambda: to_order(
                raw,
                provider=self.name,
                version=record.version,
                zone=zone,
                currency=self._currency,
                reference=self._reference,
            ),
        )
        return as_combined(order, record.raw[COMBINED]) if COMBINED in record.raw else order

    def check(self) -> None:
        """Read the account's settings."""
        self._account.settings()

    def zone(self) -> ZoneInfo:
        """Return the account's time zone. It is requested once if the options do not name it."""
        if self._zone is None:
            settings = self._account.settings()
            if self._currency is None and settings.default_currency:
                self._currency = settings.default_currency.value
            self._zone = ZoneInfo(settings.timezone.value)
        return self._zone

    def _changed(self, changes: Sequence[wire.Change]) -> tuple[list[Record], list[Record], str]:
        """Return the orders of these changes, and a removal for each that was deleted or combined with another.

        Return as well the orders that could not be read, and why.
        """
        changes = [change for change in changes if self.options.echo == "keep" or not change.is_echo]
        removed = removals(changes, self.options.site)
        versions: dict[str, int] = {}
        for change in changes:
            order_id = str(change.order.id)
            if order_id not in removed:
                versions[order_id] = max(change.id, versions.get(order_id, 0))
        reading = Reading(self._orders)
        orders = reading.read(list(versions)) if versions else []
        missing = [Record({"id": order_id}) for order_id in reading.missing]
        current = [Record(order, versions.get(str(order.get("id")))) for order in orders]
        return [*removed.values(), *with_heirs(current, changes)], missing, reading.reason

    def _history(self, place: Place, zone: ZoneInfo) -> tuple[wire.History, list[Record]]:
        """Return a page of changes; a smaller one, if it cannot be read. The API allows three sizes.

        Return as well the records of the changes that cannot be read.

        A page with a number above 1 is not the same with another size.
        """
        sizes = [size for size in _SIZES if size <= self.options.page_size]
        while True:
            try:
                query = [*place.query(zone), ("limit", str(sizes.pop(0)))]
                return _changes(self._account.get("orders/history", query), place, zone)
            except (Unavailable, TooLarge) as error:
                if not sizes or place.page > 1 or not may_be_a_record(error):
                    raise

    def _orders(self, order_ids: Sequence[str]) -> list[dict[str, Any]]:
        ids = [("filter[ids][]", order_id) for order_id in order_ids]
        site = [("filter[sites][]", self.options.site)] if self.options.site else []
        orders = objects(self._read(wire.Orders, "orders", [*ids, *site, ("limit", "100")], "orders").orders)
        self._reference.learn(orders)  # so that `normalize` needs no call
        return orders

    def _read(self, model: type[M], path: str, query: Sequence[tuple[str, str]], records: str) -> M:
        return _parsed(model, self._account.get(path, query), records)


def _changes(answer: Answer, place: Place, zone: ZoneInfo) -> tuple[wire.History, list[Record]]:
    """Return the changes of an answer, and the records of those that cannot be read: these are kept whole."""
    page, unread = readable(_parsed(wire.HistoryAsSent, answer, "history", wire.HistorySent), place, zone)
    return readable(_parsed(wire.HistoryAsSent, answer, "history"), place, zone) if unread else (page, unread)


def _parsed(model: type[M], answer: Answer, records: str | None = None, only: type | None = None) -> M:
    return parse(answer.request, lambda: model.model_validate(answer.json(records, only)), Unavailable)

"""RetailCRM (Simla.com), API version 5, as a target (docs.simla.com, "orders/create")."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

import simplejson
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from schemas import retailcrm as wire
from schemas.order import Status  # pydantic reads it
from schemas.retailcrm_request import Codes, Created, HeldOrder, OrderRequest
from worker.errors import AuthFailed, Rejected, Unavailable, Uncertain
from worker.targets.contract import Receipt, Target
from worker.wire import reading

if TYPE_CHECKING:
    from schemas.order import Order
    from worker.http import Answer

_BAD_REQUEST: Final = 400
_NOT_FOUND: Final = 404
#: All by which it says no to an order; 401 and 403 are about the key, 408 settles nothing, 429 is about the pace.
_REFUSALS: Final = frozenset(range(_BAD_REQUEST, 500)) - {401, 403, 408, 429}
#: "APIErrorMessage"; only in an English account.
_EXISTS: Final = re.compile(r"externalId=.* already exists", re.DOTALL)
_FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.\[\]]{0,99}")


class RetailCRMOptions(BaseModel):
    """The keys of a RetailCRM account.

    `site` must be named where the key reaches several. `time_zone` is the account's own where left out. `currency` is
    for orders that name none. `status_map`, `delivery_map` and `payment_map` give the account's codes for our statuses
    and for the providers' words for delivery and payment; what is not in them is left out of the order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    api_key: SecretStr
    site: str | None = None
    time_zone: wire.ZoneKey | None = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    status_map: dict[Status, str] = {}
    delivery_map: dict[str, str] = {}
    payment_map: dict[str, str] = {}


class RetailCRM(Target):
    """One account. A second order of one externalId is refused within a site, and then found."""

    kind: ClassVar[str] = "retailcrm"
    Options: ClassVar[type[BaseModel]] = RetailCRMOptions
    default_limit: ClassVar[str] = "10/s"
    documented_limit: ClassVar[str | None] = "10/s"
    limit_per_address: ClassVar[bool] = True
    throttle_statuses: ClassVar[frozenset[int]] = frozenset({429, 503})
    dedupes: ClassVar[bool] = True

    def configure(self, options: RetailCRMOptions) -> None:
        """Take over the account's options."""
        self.options: RetailCRMOptions = options
        self._headers = {"X-API-KEY": options.api_key.get_secret_value()}
        self._site = [("site", options.site)] if options.site else []
        self._zone = ZoneInfo(options.time_zone) if options.time_zone else None
        self._codes = Codes(status=options.status_map, delivery=options.delivery_map, payment=options.payment_map)

    def create(self, order: Order, reference: str) -> Receipt:
        """`POST /orders/create`, the order as JSON in a form; a no is believed when `find` has not found the order.

        That a duplicate is refused is documented, in which words only for English accounts, and no page has the whole
        answer. So the words alone never decide: an order that is there is success, however the refusal is put.
        """
        request = OrderRequest.of(
            order, reference, zone=self._account_zone(), currency=self.options.currency, codes=self._codes
        )
        text = simplejson.dumps(request.body(), use_decimal=True, separators=(",", ":"))
        answer = self.client.write(
            "POST",
            "/api/v5/orders/create",
            form=[("order", text), *self._site],
            headers=self._headers,
            accept=_REFUSALS,
        )
        if answer.status not in _REFUSALS:
            created = reading(answer.request, lambda: Created.model_validate(answer.json()), Uncertain)
            return Receipt(str(created.id))
        refused = _refused(answer)
        with suppress(Rejected):  # what was wrong with the order says more than what is wrong with the question
            if found := self.find(reference):
                return found
        if refused.says(_EXISTS):
            raise Uncertain(f"{answer.request}: status {answer.status}: it is there, and cannot be found")
        raise Rejected(f"{answer.request}: status {answer.status}: {refused.names}", refused.fields)

    def find(self, reference: str) -> Receipt | None:
        """`GET /orders/{externalId}`; a database may find it in other letter cases, so we compare."""
        path = f"orders/{quote(reference, safe='')}"
        answer = self._get(path, [("by", "externalId"), *self._site], frozenset({_BAD_REQUEST, _NOT_FOUND}))
        if answer.status in {_BAD_REQUEST, _NOT_FOUND}:
            self._settings()  # a wrong url answers so as well, in words that depend on the account's language
            if answer.status == _BAD_REQUEST:
                raise Rejected(f"{answer.request}: status {answer.status}")
            return None
        held = reading(answer.request, lambda: HeldOrder.model_validate(answer.json()), Unavailable).order
        return Receipt(str(held.id), existed=True) if held.external_id == reference else None

    def check(self) -> None:
        """Read the account's settings."""
        self._settings()

    def _account_zone(self) -> ZoneInfo:
        """The account's time zone; the account is asked once, if the options do not say it."""
        if self._zone is None:
            self._zone = ZoneInfo(self._settings().timezone.value)
        return self._zone

    def _settings(self) -> wire.AccountSettings:
        """Whoever knows no such account says so with 404 or 400, or with a web page ("APIErrorMessage")."""
        answer = self._get("settings", accept=frozenset({_BAD_REQUEST, _NOT_FOUND}))
        if answer.status in {_BAD_REQUEST, _NOT_FOUND} or answer.body.lstrip().startswith(b"<"):
            raise AuthFailed(
                f"{answer.request}: status {answer.status}, no RetailCRM account is there: the url is probably wrong"
            )
        return reading(answer.request, lambda: wire.Settings.model_validate(answer.json()), Unavailable).settings

    def _get(
        self, path: str, query: list[tuple[str, str]] | tuple[()] = (), accept: frozenset[int] = frozenset()
    ) -> Answer:
        return self.client.read(f"/api/v5/{path}", query, headers=self._headers, accept=accept)


class _Refusal:
    """Their texts may repeat what we sent, so they go into `fields` only, and field names alone into `names`."""

    def __init__(self, said: dict[str, Any]) -> None:
        errors, message = said.get("errors"), said.get("errorMsg")
        by_field: dict[str, object] = errors if isinstance(errors, dict) else {}
        self.fields = by_field or ({"errors": errors} if errors else {"errorMsg": message} if message else {})
        self.names = ", ".join(sorted(name for name in by_field if _FIELD.fullmatch(name))) or "no field named"
        self._texts = [message, *(errors if isinstance(errors, list) else by_field.values())]

    def says(self, pattern: re.Pattern[str]) -> bool:
        return any(pattern.search(text) for text in self._texts if isinstance(text, str))


def _refused(answer: Answer) -> _Refusal:
    with suppress(Uncertain):  # refused for certain, however it is said
        said = answer.json()
        return _Refusal(said if isinstance(said, dict) else {})
    return _Refusal({})

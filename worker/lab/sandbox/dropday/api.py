"""The API of Dropday, version 1: it stores each order once, and accepts a repeated one without an error."""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import parse_qsl, urlencode

from worker.lab.sandbox.dropday.account import DropdayAccount, Stored, as_listed, as_read
from worker.lab.sandbox.dropday.checks import check
from worker.lab.sandbox.system import Call, Response, System, web_page
from worker.lab.sandbox.wire import dump

if TYPE_CHECKING:
    from collections.abc import Callable

_PER_PAGE, _MOST_PER_PAGE = 50, 100
_ERRORS: Final = {
    401: {"message": "Unauthorized", "error": "Invalid or missing api-key or account-id header"},
    403: {"message": "Unauthorized", "error": "Invalid or missing api-key or account-id header"},
    422: {"message": "Errors", "errors": {"shipping_address.city": ["The shipping_address.city field is required."]}},
    429: {"message": "Too Many Attempts."},
    500: {"message": "Internal Server Error", "error": "An unexpected error occurred. Please try again later."},
}


def _error(status: int, did: str) -> Response:
    return Response(status, dump(_ERRORS[status]), did)


class Dropday(System[DropdayAccount]):
    """The simulated Dropday. No limit is documented, so it has none unless one is set."""

    name: ClassVar[str] = "dropday"
    fragile_field: ClassVar[str] = "order_lines"
    account_type = DropdayAccount
    routes = (
        ("GET", "api/v1", "check"),
        ("GET", "api/v1/orders", "list"),
        ("POST", "api/v1/orders", "create"),
        ("GET", "api/v1/orders/{reference}", "get"),
    )

    def throttled(self) -> Response:
        """Return what Laravel sends; the documents do not say."""
        return _error(429, "refused_429")

    def refusal(self, status: int) -> Response:
        """Return JSON for a documented status, else the web server's page."""
        return _error(status, "nothing") if status in _ERRORS else web_page(status, "nothing")

    def respond(self, call: Call, op: str) -> Response:
        """Check the credentials, then do the work."""
        account = self.accounts.get(call.account)
        if account is None:
            return web_page(404, "unknown_account")
        response = self._work(account, call, op)
        wants_json = "json" in call.headers.get("Accept", "")
        if response.status in {401, 422} and account.strict_accept and not wants_json:
            page = web_page(302, response.did, "Redirecting to /login")
            page.headers, page.external_id = {"Location": "/login"}, response.external_id
            return page
        return response

    @staticmethod
    def _work(account: DropdayAccount, call: Call, op: str) -> Response:
        headers = call.headers
        if headers.get("api-key") != account.key or headers.get("account-id") != account.account_id:
            return _error(401, "unauthorized")
        match op:
            case "create":
                return _create(account, call)
            case "list":
                return _list(account, call)
            case "get":
                return _get(account, call.parts[3])
            case "check":
                return Response(200, dump({"message": "Authenticated"}), "checked")
            case _:
                return Response(404, dump({"message": "Not Found", "error": "No such route"}), "unknown_method")


def _create(account: DropdayAccount, call: Call) -> Response:
    try:
        order = json.loads(call.body) if "json" in call.headers.get("Content-Type", "") else {}
    except ValueError:
        order = {}
    if not isinstance(order, dict):
        order = {}
    if errors := check(order):
        return Response(422, dump({"message": "Errors", "errors": errors}), "refused", str(order.get("external_id")))
    stored, new = account.create(order, call.body)
    reference = str(stored.number)
    if new:
        body = b'{"message":"Order created","reference":%d}' % stored.number
        return Response(200, body, "created", stored.external_id, reference)
    extra = {"reference": stored.number} if account.duplicate_has_reference else {}
    return Response(200, dump({"message": "Order already exists", **extra}), "repeated", stored.external_id, reference)


def _get(account: DropdayAccount, reference: str) -> Response:
    order = account.find(reference)
    if order is None:
        error = {"message": "Not Found", "error": f"Order with reference '{reference}' not found"}
        return Response(404, dump(error), "not_found", reference=reference)
    return Response(200, dump(as_read(order)), "got", order.external_id, reference)


def _list(account: DropdayAccount, call: Call) -> Response:
    params = dict(parse_qsl(call.query, keep_blank_values=True))
    try:
        matches = _filter(account, params)
        per_page = _read_integer(params.get("per_page", str(_PER_PAGE)), _MOST_PER_PAGE)
        page = _read_integer(params.get("page", "1"), sys.maxsize)
    except ValueError as error:
        return Response(422, dump({"message": "Errors", "errors": {"query": [str(error)]}}), "refused")
    orders = account.newest_first(matches)
    rows = [as_listed(order) for order in orders[(page - 1) * per_page : page * per_page]]
    pages = _Paginator(f"{call.base}/api/v1/orders", params, page, per_page, len(orders), rows)
    body = pages.nested() if account.paginator == "nested" else pages.flat()
    return Response(200, dump(body), "listed", external_id=params.get("external_id") or None, page_key="data")


def _read_integer(text: str, most: int) -> int:
    if not 1 <= int(text) <= most:
        raise ValueError(f"{text}: a number from 1 to {most} is required")
    return int(text)


def _filter(account: DropdayAccount, params: dict[str, str]) -> Callable[[Stored], bool]:
    """Return a function that decides whether a list shows an order."""
    statuses = frozenset(filter(None, params.get("statuses", "").split(",")))
    first, last = (
        _moment(account, params.get("date_from"), -math.inf),
        _moment(account, params.get("date_to"), math.inf),
    )
    least, most = float(params.get("total_min", -math.inf)), float(params.get("total_max", math.inf))
    include_test = params.get("include_test") in {"true", "1"}
    matches = _matcher(params.get("external_id", ""), like=account.filter == "like")
    return lambda order: (
        matches(order.external_id)
        and (include_test or not order.test)
        and first <= order.created <= last
        and least <= order.total <= most
        and (not statuses or order.status in statuses)
        and params.get("source") in {None, order.source}
    )


def _matcher(text: str, *, like: bool) -> Callable[[str], bool]:
    """Return a function that decides whether an external id matches a filter: as a part, or as in SQL's LIKE."""
    if not like:
        return lambda external_id: text in external_id
    pieces = re.findall(r"\\.|.", text, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    pattern = "".join(wild.get(piece, re.escape(piece[-1])) for piece in pieces)
    compiled = re.compile(pattern, re.DOTALL | re.IGNORECASE)
    return lambda external_id: compiled.search(external_id) is not None


def _moment(account: DropdayAccount, text: str | None, default: float) -> float:
    """Return seconds since 1970. A time without an offset is in the account's zone, as the documents name none."""
    if not text:
        return default
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=account.zone)).timestamp()


@dataclass(slots=True)
class _Paginator:
    """One page of a list, in the form of either of the two Laravel paginators that the documents mix."""

    url: str
    params: dict[str, str]
    page: int
    per_page: int
    total: int
    rows: list[dict[str, Any]]

    def _last(self) -> int:
        return max(1, -(-self.total // self.per_page))

    def _links(self) -> dict[str, str | None]:
        last = self._last()
        return {
            name: f"{self.url}?{urlencode({**self.params, 'page': page})}" if 1 <= page <= last else None
            for name, page in (("first", 1), ("last", last), ("prev", self.page - 1), ("next", self.page + 1))
        }

    def _meta(self) -> dict[str, Any]:
        start = (self.page - 1) * self.per_page
        return {
            "current_page": self.page,
            "last_page": self._last(),
            "path": self.url,
            "per_page": self.per_page,
            "total": self.total,
            "from": start + 1 if self.rows else None,
            "to": start + len(self.rows) if self.rows else None,
        }

    def nested(self) -> dict[str, Any]:
        """Return the page as documented for the list of orders: `links`, `meta`, and `current_page` beside `data`."""
        return {"current_page": self.page, "data": self.rows, "links": self._links(), "meta": self._meta()}

    def flat(self) -> dict[str, Any]:
        """Return the page as documented for the list of products: all fields beside `data`."""
        urls = {f"{name}_page_url": url for name, url in self._links().items()}
        return {"data": self.rows, **urls, **self._meta()}

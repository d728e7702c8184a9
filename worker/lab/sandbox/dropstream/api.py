"""The API of DropStream: a token first, then lists of orders by page number or by session."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import parse_qsl

from worker.lab.sandbox.dropstream.account import DropstreamAccount, Session, Stored
from worker.lab.sandbox.system import Call, Response, System, web_page
from worker.lab.sandbox.wire import dump

if TYPE_CHECKING:
    from collections.abc import Callable

_LIMIT, _MOST = 100, 1000
_UNAUTHORIZED: Final = 401
#: The fields that a list can be sorted by, besides its default.
_SORTS: Final[dict[str, Callable[[Stored], Any]]] = {
    "store_id": lambda order: order.store_id,
    "created_at": lambda order: order.created,
    "ordered_at": lambda order: order.ordered,
    "external_id": lambda order: order.external_id,
}


class BadInputError(Exception):
    """A call has wrong parameters."""


def _error(status: int, did: str, text: str) -> Response:
    """Return an error as Rails services write it; no document shows one."""
    return Response(status, dump({"error": text}), did)


class Dropstream(System[DropstreamAccount]):
    """The simulated DropStream. No limit is documented, so it has none unless one is set."""

    name: ClassVar[str] = "dropstream"
    fragile_field: ClassVar[str] = "ordered_at"
    account_type = DropstreamAccount
    routes = (("POST", "auth/token", "token"), ("GET", "orders", "list"), ("GET", "orders/{id}", "get"))

    def throttled(self) -> Response:
        """Return a 429, which no document mentions."""
        return _error(429, "refused_429", "Too Many Requests")

    def refusal(self, status: int) -> Response:
        """Return an error; a 401 also revokes every token, so that only a new one is accepted."""
        if status == _UNAUTHORIZED:
            for account in self.accounts.values():
                account.tokens.clear()
            return _error(status, "nothing", "Unauthorized")
        return web_page(status, "nothing")

    def respond(self, call: Call, op: str) -> Response:
        """Check the credentials, then do the work."""
        account = self.accounts.get(call.account)
        if account is None:
            return _error(404, "unknown_account", "Not Found")
        if op == "token":
            return _token(account, call)
        scheme, _, token = call.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not account.is_valid(token):
            return _error(_UNAUTHORIZED, "unauthorized", "Unauthorized")
        try:
            return _list(account, call) if op == "list" else _get(account, call, op)
        except BadInputError as error:
            return _error(400, "refused", str(error))


def _token(account: DropstreamAccount, call: Call) -> Response:
    credentials = base64.b64encode(f"{account.user}:{account.password}".encode()).decode()
    if call.headers.get("Authorization") != f"Basic {credentials}":
        return _error(_UNAUTHORIZED, "unauthorized", "Unauthorized")
    try:
        body = json.loads(call.body)
    except ValueError:
        body = None
    if body != {"grant_type": "client_credentials"}:
        return _error(400, "refused", "grant_type is missing")
    return Response(200, dump({"access_token": account.new_token(), "token_type": "Bearer"}), "token")


def _get(account: DropstreamAccount, call: Call, op: str) -> Response:
    order = account.find(call.parts[1]) if op == "get" else None
    if order is None:
        return _error(404, "not_found", "Not Found")
    return Response(200, b'{"order":' + order.text + b"}", "got", order.external_id, str(order.id))


def _list(account: DropstreamAccount, call: Call) -> Response:
    params = dict(parse_qsl(call.query, keep_blank_values=True))  # the last one of a repeated name counts
    if session_id := params.get("session_id"):
        session = account.session(session_id)
        if session is None:
            return _error(account.expired, "expired", "Session expired")
        return _session_page(account, session)
    limit, matches, key = _limit(account, params), _filter(account, params), _SORTS.get(params.get("sort", ""))
    if "page" in params:
        return _numbered_page(account, _positive(params["page"]), limit, account.matching(matches, key))
    remaining = account.matching(matches, key) if key else None
    return _session_page(account, account.open_session(limit, matches, remaining))


def _session_page(account: DropstreamAccount, session: Session) -> Response:
    rows = account.next_page(session)
    return _page(rows, {"session_id": session.id, "page": session.page, "limit": session.limit})


def _numbered_page(account: DropstreamAccount, page: int, limit: int, orders: list[Stored]) -> Response:
    shown = orders[: account.cap]
    tail: dict[str, Any] = {"page": page, "limit": limit, "total_count": len(shown)}
    tail["total_pages"] = -(-len(shown) // limit)
    if len(orders) > account.cap:
        tail["max_total_reached"] = True
    return _page(shown[(page - 1) * limit : page * limit], tail)


def _page(rows: list[Stored], tail: dict[str, Any]) -> Response:
    body = b'{"orders":[' + b",".join(order.text for order in rows) + b"]," + dump(tail)[1:]
    return Response(200, body, "listed", page_key="orders")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise BadInputError(f"{text}: a number of 1 or more is required")
    return int(text)


def _limit(account: DropstreamAccount, params: dict[str, str]) -> int:
    limit = _positive(params.get("limit", str(_LIMIT)))
    if limit > _MOST and account.over_limit == "refuse":
        raise BadInputError(f"limit: {_MOST} at most")
    return min(limit, _MOST)


def _filter(account: DropstreamAccount, params: dict[str, str]) -> Callable[[Stored], bool]:
    """Return a function that decides whether a list shows an order."""
    bounds = {name: _moment(params[name]) for name in params if name.endswith(("_at_min", "_at_max"))}

    def matches(order: Stored) -> bool:
        values = {
            "state": {order.state},
            "external_id": {order.external_id},
            "external_display_id": {order.display_id},
            "store_id": {str(order.store_id), f"Store {order.store_id}"},
        }
        return all(params[name] in allowed for name, allowed in values.items() if name in params) and all(
            _within(account, order, name, bound) for name, bound in bounds.items()
        )

    return matches


def _within(account: DropstreamAccount, order: Stored, name: str, bound: float) -> bool:
    moment = order.created if name.startswith("created") else order.ordered
    if moment == bound:
        return account.inclusive
    return moment > bound if name.endswith("min") else moment < bound


def _moment(text: str) -> float:
    """Return seconds since 1970. DropStream reads any other text as natural language; here it means now."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return time.time()
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

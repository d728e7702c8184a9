"""DropStream: a token first, then lists of orders by page number or by session."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import parse_qsl

from worker.lab.sandbox.dropstream.account import DropstreamAccount, Session, Stored
from worker.lab.sandbox.system import Answer, Call, System, dump, web_page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from worker.lab.sandbox.journal import Journal

_LIMIT, _MOST = 100, 1000
_ORDER_PATH: Final = 2
_UNAUTHORIZED: Final = 401
_OPERATIONS: Final = {("POST", ("auth", "token")): "token", ("GET", ("orders",)): "list"}
#: By which a list can be sorted, besides its default.
_SORTS: Final[dict[str, Callable[[Stored], Any]]] = {
    "store_id": lambda order: order.store_id,
    "created_at": lambda order: order.created,
    "ordered_at": lambda order: order.ordered,
    "external_id": lambda order: order.external_id,
}


class BadInputError(Exception):
    """The parameters are wrong."""


def _error(status: int, did: str, text: str) -> Answer:
    """No document shows an error; this is how Rails services write them."""
    return Answer(status, dump({"error": text}), did)


class Dropstream(System):
    """All accounts of the simulated DropStream. No limit is documented, so there is none unless one is asked for."""

    name: ClassVar[str] = "dropstream"
    fragile_field: ClassVar[str] = "ordered_at"

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        self._accounts: dict[str, DropstreamAccount] = {}

    @property
    def accounts(self) -> Mapping[str, DropstreamAccount]:
        """The accounts by name."""
        return self._accounts

    def open_account(self, name: str, options: dict[str, str]) -> DropstreamAccount:
        """Set up an account with its own options."""
        account = self._accounts[name] = DropstreamAccount(name, options, self.journal)
        return account

    def operation(self, method: str, parts: tuple[str, ...]) -> str:
        """The name of what a path is for, or `unknown`."""
        is_order = method == "GET" and parts[:1] == ("orders",) and len(parts) == _ORDER_PATH
        return _OPERATIONS.get((method, parts)) or ("get" if is_order else "unknown")

    def throttled(self) -> Answer:
        """Not documented."""
        return _error(429, "refused_429", "Too Many Requests")

    def refusal(self, status: int) -> Answer:
        """A 401 that was asked for revokes every token: only a new one helps."""
        if status == _UNAUTHORIZED:
            for account in self._accounts.values():
                account.tokens.clear()
            return _error(status, "nothing", "Unauthorized")
        return web_page(status, "nothing")

    def answer(self, call: Call, op: str) -> Answer:
        """Check the credentials, then do the work."""
        account = self._accounts.get(call.account)
        if account is None:
            return _error(404, "unknown_account", "Not Found")
        if op == "token":
            return _token(account, call)
        scheme, _, token = call.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not account.knows(token):
            return _error(_UNAUTHORIZED, "unauthorized", "Unauthorized")
        try:
            return _list(account, call) if op == "list" else _get(account, call, op)
        except BadInputError as error:
            return _error(400, "refused", str(error))


def _token(account: DropstreamAccount, call: Call) -> Answer:
    wanted = base64.b64encode(f"{account.user}:{account.password}".encode()).decode()
    if call.headers.get("Authorization") != f"Basic {wanted}":
        return _error(_UNAUTHORIZED, "unauthorized", "Unauthorized")
    try:
        asked = json.loads(call.body)
    except ValueError:
        asked = None
    if asked != {"grant_type": "client_credentials"}:
        return _error(400, "refused", "grant_type is missing")
    return Answer(200, dump({"access_token": account.new_token(), "token_type": "Bearer"}), "token")


def _get(account: DropstreamAccount, call: Call, op: str) -> Answer:
    found = account.find(call.parts[1]) if op == "get" else None
    if found is None:
        return _error(404, "not_found", "Not Found")
    return Answer(200, b'{"order":' + found.text + b"}", "got", found.external_id, str(found.id))


def _list(account: DropstreamAccount, call: Call) -> Answer:
    given = dict(parse_qsl(call.query, keep_blank_values=True))  # of several the last one counts
    if session_id := given.get("session_id"):
        session = account.session(session_id)
        if session is None:
            return _error(account.expired, "expired", "Session expired")
        return _session_page(account, session)
    limit, want, key = _limit(account, given), _wish(account, given), _SORTS.get(given.get("sort", ""))
    if "page" in given:
        return _numbered_page(account, _number(given["page"]), limit, _sorted(account.wanted(want), key))
    rest = _sorted(account.wanted(want), key) if key else None
    return _session_page(account, account.open_session(limit, want, rest))


def _sorted(orders: list[Stored], key: Callable[[Stored], Any] | None) -> list[Stored]:
    return sorted(orders, key=key) if key else orders


def _session_page(account: DropstreamAccount, session: Session) -> Answer:
    rows = account.next_page(session)
    return _page(rows, {"session_id": session.id, "page": session.page, "limit": session.limit})


def _numbered_page(account: DropstreamAccount, page: int, limit: int, found: list[Stored]) -> Answer:
    shown = found[: account.cap]
    tail: dict[str, Any] = {"page": page, "limit": limit, "total_count": len(shown)}
    tail["total_pages"] = -(-len(shown) // limit)
    if len(found) > account.cap:
        tail["max_total_reached"] = True
    return _page(shown[(page - 1) * limit : page * limit], tail)


def _page(rows: list[Stored], tail: dict[str, Any]) -> Answer:
    body = b'{"orders":[' + b",".join(order.text for order in rows) + b"]," + dump(tail)[1:]
    return Answer(200, body, "listed", page_key="orders")


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise BadInputError(f"{text}: a number from 1 on is wanted")
    return int(text)


def _limit(account: DropstreamAccount, given: dict[str, str]) -> int:
    limit = _number(given.get("limit", str(_LIMIT)))
    if limit > _MOST and account.over_limit == "refuse":
        raise BadInputError(f"limit: {_MOST} at most")
    return min(limit, _MOST)


def _wish(account: DropstreamAccount, given: dict[str, str]) -> Callable[[Stored], bool]:
    """Whether a list shows an order."""
    bounds = {name: _moment(given[name]) for name in given if name.endswith(("_at_min", "_at_max"))}
    same = {name: given[name] for name in ("state", "external_id", "external_display_id", "store_id") if name in given}

    def want(order: Stored) -> bool:
        has = {"state": order.state, "external_id": order.external_id, "external_display_id": order.display_id}
        if not all(has[name] == value for name, value in same.items() if name != "store_id"):
            return False
        if "store_id" in same and same["store_id"] not in {str(order.store_id), f"Store {order.store_id}"}:
            return False
        return all(_within(account, order, name, bound) for name, bound in bounds.items())

    return want


def _within(account: DropstreamAccount, order: Stored, name: str, bound: float) -> bool:
    moment = order.created if name.startswith("created") else order.ordered
    if moment == bound:
        return account.inclusive
    return moment > bound if name.endswith("min") else moment < bound


def _moment(text: str) -> float:
    """What is no whole time is not refused but interpreted, as natural language is: here it means now."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return time.time()
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

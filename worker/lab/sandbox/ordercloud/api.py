"""OrderCloud: a token first, then orders to list and read, or to write, fill with lines and submit."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from worker.lab.sandbox.ordercloud.account import OrderCloudAccount
from worker.lab.sandbox.ordercloud.calls import MOVES, Orders
from worker.lab.sandbox.ordercloud.lines import Parts
from worker.lab.sandbox.ordercloud.query import Query
from worker.lab.sandbox.ordercloud.wire import RefusedError, dump, load
from worker.lab.sandbox.system import Answer, Call, System, web_page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from worker.lab.sandbox.journal import Journal
    from worker.lab.sandbox.ordercloud.tokens import Token

_ORDER: Final = "v1/orders/{direction}/{orderID}"
_LINE: Final = _ORDER + "/lineitems/{lineItemID}"
#: Method, path and operation. The paths are written as webhooks name them.
_ROUTES: Final = (
    ("POST", "oauth/token", "token"),
    ("GET", "v1/me", "me"),
    ("GET", "v1/orders/{direction}", "list"),
    ("POST", "v1/orders/{direction}", "create"),
    ("GET", _ORDER, "get"),
    ("PUT", _ORDER, "put"),
    ("PATCH", _ORDER, "patch"),
    ("DELETE", _ORDER, "delete"),
    ("GET", f"{_ORDER}/worksheet", "worksheet"),
    *((verb, f"{_ORDER}/{name}", name) for verb in ("PUT", "PATCH") for name in ("billto", "shipto")),
    *(("POST", f"{_ORDER}/{name}", name) for name in sorted(MOVES)),
    ("POST", f"{_ORDER}/validate", "validate"),
    ("GET", f"{_ORDER}/lineitems", "line_list"),
    ("POST", f"{_ORDER}/lineitems", "line_create"),
    ("GET", _LINE, "line_get"),
    ("PUT", _LINE, "line_put"),
    ("PATCH", _LINE, "line_patch"),
    ("DELETE", _LINE, "line_delete"),
    ("PUT", f"{_LINE}/shipto", "line_shipto"),
    ("PATCH", f"{_LINE}/shipto", "line_shipto"),
    ("GET", "v1/webhooks", "hooks"),
    ("POST", "v1/webhooks", "hook_put"),
    ("GET", "v1/webhooks/{webhookID}", "hook_get"),
    ("PUT", "v1/webhooks/{webhookID}", "hook_put"),
    ("DELETE", "v1/webhooks/{webhookID}", "hook_delete"),
)
_PATTERNS: Final = tuple((method, path.split("/"), path, op) for method, path, op in _ROUTES)
_UNAUTHORIZED: Final = 401
_MESSAGES: Final = {
    "Api.Offline": "The API is down briefly for maintenance. Please try again in a few seconds.",
    "Order.CacheBuilding": "Order search index is being built. Please try again later.",
}
_PLAIN: Final = {401: "InvalidToken", 403: "Auth.InsufficientRoles", 404: "NotFound", 500: "ServerError"}
#: What the journal says of a refusal that is about one object.
_DID: Final = {404: "not_found", 409: "repeated"}
_READERS: Final = frozenset({"OrderReader", "OrderAdmin", "FullAccess"})
_WRITERS: Final = frozenset({"OrderAdmin", "FullAccess"})
_HOOK_ADMINS: Final = frozenset({"WebhookAdmin", "FullAccess"})


def _route(method: str, parts: tuple[str, ...]) -> tuple[str, str, dict[str, str]]:
    """The operation, the route as webhooks name it, and what stands in its braces."""
    for wanted, pattern, path, op in _PATTERNS:
        pairs = list(zip(pattern, parts, strict=False))
        same = wanted == method and len(pattern) == len(parts)
        if same and all(name[0] == "{" or name == part.lower() for name, part in pairs):
            return op, path, {name[1:-1]: part for name, part in pairs if name[0] == "{"}
    return "unknown", "", {}


class OrderCloud(System):
    """All marketplaces of the simulated OrderCloud. No limit is documented, so there is none unless one is asked for.

    A fault's `code` names the error: `ordercloud:list:400:code=Order.CacheBuilding` or
    `ordercloud:*:503:code=Api.Offline` (which statuses go with these two is not documented).
    """

    name: ClassVar[str] = "ordercloud"
    fragile_field: ClassVar[str] = "LastUpdated"

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        self._accounts: dict[str, OrderCloudAccount] = {}

    @property
    def accounts(self) -> Mapping[str, OrderCloudAccount]:
        """The accounts by name."""
        return self._accounts

    def open_account(self, name: str, options: dict[str, str]) -> OrderCloudAccount:
        """Set up an account with its own options."""
        account = self._accounts[name] = OrderCloudAccount(name, options, self.journal)
        return account

    def operation(self, method: str, parts: tuple[str, ...]) -> str:
        """The name of what a path is for, or `unknown`."""
        return _route(method, parts)[0]

    def throttled(self) -> Answer:
        """Not documented; whether it says when to come back is the option `retry_after` of any account."""
        answer = _refused(RefusedError(429, "TooManyRequests", "Too many requests."), "refused_429")
        waits = [account.retry_after for account in self._accounts.values() if account.retry_after]
        answer.headers = {"Retry-After": waits[0]} if waits else None
        return answer

    def refusal(self, status: int) -> Answer:
        """A 401 that was asked for revokes every token: only a new one helps."""
        if status == _UNAUTHORIZED:
            for account in self._accounts.values():
                account.tokens.revoke()
        if status not in _PLAIN:
            return web_page(status, "nothing")
        return self.refusal_of(status, _PLAIN[status])

    def refusal_of(self, status: int, code: str) -> Answer:
        """An error of the API by its code."""
        data = {"ObjectType": "Order", "ObjectID": ""} if code == "NotFound" else None
        return _refused(RefusedError(status, code, _MESSAGES.get(code, code), data), "nothing")

    def answer(self, call: Call, op: str) -> Answer:
        """Check the credentials, do the work, and tell the webhooks."""
        account = self._accounts.get(call.account)
        if account is None:
            return web_page(404, "unknown_account")
        _, path, params = _route(call.method, call.parts)
        try:
            if op == "token":
                return Answer(200, account.tokens.answer(call.headers, call.body), "token")
            text = call.headers.get("Authorization", "")
            token = account.tokens.check(text)
            answer = _work(account, call, op, token, params)
        except RefusedError as error:
            return _refused(
                error, "unauthorized" if error.status == _UNAUTHORIZED else "refused", params.get("orderID")
            )
        if call.method != "GET" and "orderID" in params:
            account.hooks.fire(path, call.method, params, call.body, answer.body, token.client, text.partition(" ")[2])
        return answer


def _refused(error: RefusedError, did: str, key: str | None = None) -> Answer:
    if error.status in _DID:
        did, key = _DID[error.status], key or (error.data or {}).get("ObjectID")
    return Answer(error.status, error.body(), did, key, key)


def _work(account: OrderCloudAccount, call: Call, op: str, token: Token, params: dict[str, str]) -> Answer:
    if op == "unknown":
        raise RefusedError(
            404, "NotFound", "Object not found.", {"ObjectType": "Route", "ObjectID": "/".join(call.parts)}
        )
    if op == "me":
        return Answer(200, _me(account, token), "checked")
    hooks = op.startswith("hook")
    _must_have(token, _HOOK_ADMINS if hooks else _READERS if call.method == "GET" else _WRITERS)
    if hooks:
        return _hook(account, call, op, params.get("webhookID", ""))
    if op in MOVES:
        return Orders(account, call, token, params).move(op)
    parts = Parts(account, call, token, params)
    work: Callable[[], Answer] = getattr(parts, op)
    return work()


def _must_have(token: Token, roles: frozenset[str]) -> None:
    if not roles & set(token.roles):
        text = "User does not have role(s) required to perform this action."
        data = {"SufficientRoles": sorted(roles), "AssignedRoles": list(token.roles)}
        raise RefusedError(403, "Auth.InsufficientRoles", text, data)


def _me(account: OrderCloudAccount, token: Token) -> bytes:
    user = account.tokens.user
    return dump({
        "ID": user, "Username": user, "FirstName": "Sandbox", "LastName": "User", "Email": f"{user}@example.org",
        "Phone": None, "Active": True, "AvailableRoles": token.roles, "Seller": {"ID": "sandbox-seller"}, "xp": None,
    })  # fmt: skip


def _hook(account: OrderCloudAccount, call: Call, op: str, key: str) -> Answer:
    hooks = account.hooks
    match op:
        case "hooks":
            return Answer(200, Query(call.query, ("ID",)).page(hooks.all(), dump), "listed_hooks", page_key="Items")
        case "hook_get":
            return Answer(200, dump(hooks.get(key)), "got_hook")
        case "hook_delete":
            hooks.remove(key)
            return Answer(204, b"", "deleted_hook")
        case _:
            given = load(call.body)
            own = given.get("ID") if isinstance(given, dict) else None
            made = hooks.put(key or str(own or account.new_id()), given)
            return Answer(200 if key else 201, dump(made), "put_hook")

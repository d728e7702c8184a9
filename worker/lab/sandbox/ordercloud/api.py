"""The API of OrderCloud: a token first, then orders to list and read, or to create, fill with lines and submit."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from worker.lab.sandbox.ordercloud import shape
from worker.lab.sandbox.ordercloud.account import OrderCloudAccount
from worker.lab.sandbox.ordercloud.calls import MOVES, OrderCall
from worker.lab.sandbox.ordercloud.lines import PartCall
from worker.lab.sandbox.ordercloud.query import Query
from worker.lab.sandbox.ordercloud.wire import RefusedError, dump, load, missing
from worker.lab.sandbox.system import Call, Response, System, web_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.lab.sandbox.ordercloud.tokens import Token

_ORDER: Final = "v1/orders/{direction}/{orderID}"
_LINE: Final = _ORDER + "/lineitems/{lineItemID}"
_VERBS: Final = ("GET", "PUT", "PATCH", "DELETE")
#: Method, path (as webhooks name it) and operation.
_ROUTES: Final = (
    ("POST", "oauth/token", "token"),
    ("GET", "v1/me", "me"),
    ("GET", "v1/orders/{direction}", "list"),
    ("POST", "v1/orders/{direction}", "create"),
    *((verb, _ORDER, verb.lower()) for verb in _VERBS),
    ("GET", f"{_ORDER}/worksheet", "worksheet"),
    *((verb, f"{_ORDER}/{name}", name) for verb in ("PUT", "PATCH") for name in ("billto", "shipto")),
    *(("POST", f"{_ORDER}/{name}", name) for name in sorted(MOVES)),
    ("POST", f"{_ORDER}/validate", "validate"),
    *(("GET", f"{_ORDER}/{name}", name) for name in ("promotions", "payments")),
    ("GET", f"{_ORDER}/lineitems", "line_list"),
    ("POST", f"{_ORDER}/lineitems", "line_create"),
    *((verb, _LINE, f"line_{verb.lower()}") for verb in _VERBS),
    *((verb, f"{_LINE}/shipto", "line_shipto") for verb in ("PUT", "PATCH")),
    ("GET", "v1/buyers/{buyerID}/users/{userID}", "user"),
    ("GET", "v1/webhooks", "hooks"),
    ("POST", "v1/webhooks", "hook_put"),
    ("GET", "v1/webhooks/{webhookID}", "hook_get"),
    ("PUT", "v1/webhooks/{webhookID}", "hook_put"),
    ("DELETE", "v1/webhooks/{webhookID}", "hook_delete"),
)
_UNAUTHORIZED: Final = 401
_MESSAGES: Final = {
    "Api.Offline": "The API is down briefly for maintenance. Please try again in a few seconds.",
    "Order.CacheBuilding": "Order search index is being built. Please try again later.",
}
_PLAIN: Final = {401: "InvalidToken", 403: "Auth.InsufficientRoles", 404: "NotFound", 500: "ServerError"}
#: The journal's `did` for a refusal that concerns one object.
_DID: Final = {404: "not_found", 409: "repeated"}
_READERS: Final = frozenset({"OrderReader", "OrderAdmin", "FullAccess"})
_USER_READERS: Final = frozenset({"BuyerUserReader", "BuyerUserAdmin", "FullAccess"})
_WRITERS: Final = frozenset({"OrderAdmin", "FullAccess"})
_HOOK_ADMINS: Final = frozenset({"WebhookAdmin", "FullAccess"})


class OrderCloud(System[OrderCloudAccount]):
    """The simulated OrderCloud. No limit is documented, so it has none unless one is set.

    A fault's `code` names the error: `ordercloud:list:400:code=Order.CacheBuilding` or
    `ordercloud:*:503:code=Api.Offline` (the statuses of these two are not documented).
    """

    name: ClassVar[str] = "ordercloud"
    fragile_field: ClassVar[str] = "LastUpdated"
    account_type = OrderCloudAccount
    routes = _ROUTES
    ignores_case = True

    def throttled(self) -> Response:
        """Return a 429, which is not documented; the option `retry_after` of any account adds a Retry-After."""
        response = _refused(RefusedError(429, "TooManyRequests", "Too many requests."), "refused_429")
        waits = [account.retry_after for account in self.accounts.values() if account.retry_after]
        response.headers = {"Retry-After": waits[0]} if waits else None
        return response

    def refusal(self, status: int) -> Response:
        """Return an error; a 401 also revokes every token, so that only a new one is accepted."""
        if status == _UNAUTHORIZED:
            for account in self.accounts.values():
                account.tokens.revoke()
        if status not in _PLAIN:
            return web_page(status, "nothing")
        return self.refusal_of(status, _PLAIN[status])

    def refusal_of(self, status: int, code: str) -> Response:
        """Return the API's error with this code."""
        data = {"ObjectType": "Order", "ObjectID": ""} if code == "NotFound" else None
        return _refused(RefusedError(status, code, _MESSAGES.get(code, code), data), "nothing")

    def respond(self, call: Call, op: str) -> Response:
        """Check the credentials, do the work, and send the webhooks."""
        account = self.accounts.get(call.account)
        if account is None:
            return web_page(404, "unknown_account")
        _, path, params = self.route(call.method, call.parts)
        try:
            if op == "token":
                return Response(200, account.tokens.issue(call.headers, call.body), "token")
            text = call.headers.get("Authorization", "")
            token = account.tokens.check(text)
            response = _work(account, call, op, token, params)
        except RefusedError as error:
            return _refused(
                error, "unauthorized" if error.status == _UNAUTHORIZED else "refused", params.get("orderID")
            )
        if call.method != "GET" and "orderID" in params:
            account.webhooks.fire(
                path, call.method, params, call.body, response.body, token.client, text.partition(" ")[2]
            )
        return response


def _refused(error: RefusedError, did: str, key: str | None = None) -> Response:
    if error.status in _DID:
        did, key = _DID[error.status], key or (error.data or {}).get("ObjectID")
    return Response(error.status, error.body(), did, key, key)


def _work(account: OrderCloudAccount, call: Call, op: str, token: Token, params: dict[str, str]) -> Response:
    if op == "unknown":
        raise RefusedError(
            404, "NotFound", "Object not found.", {"ObjectType": "Route", "ObjectID": "/".join(call.parts)}
        )
    if op == "me":
        return Response(200, _me(account, token), "checked")
    about_webhooks = op.startswith("hook")
    _require_role(token, _HOOK_ADMINS if about_webhooks else _READERS if call.method == "GET" else _WRITERS)
    if about_webhooks:
        return _webhook(account, call, op, params.get("webhookID", ""))
    if op == "user":
        return _user(account, token, params)
    if op in MOVES:
        return OrderCall(account, call, token, params).move(op)
    work: Callable[[], Response] = getattr(PartCall(account, call, token, params), op)
    return work()


def _require_role(token: Token, roles: frozenset[str]) -> None:
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


def _user(account: OrderCloudAccount, token: Token, params: dict[str, str]) -> Response:
    """Return a user of a buyer: any of a buyer that exists. It needs a role of its own."""
    _require_role(token, _USER_READERS)
    if account.buyers is not None and params["buyerID"] not in account.buyers:
        raise missing("Buyer", params["buyerID"])
    if account.users is not None and params["userID"] not in account.users:
        raise missing("User", params["userID"])
    return Response(200, dump(shape.user(params["userID"], params["buyerID"])), "got_user")


def _webhook(account: OrderCloudAccount, call: Call, op: str, key: str) -> Response:
    webhooks = account.webhooks
    match op:
        case "hooks":
            return Response(
                200, Query(call.query, ("ID",)).page(webhooks.all(), dump), "listed_hooks", page_key="Items"
            )
        case "hook_get":
            return Response(200, dump(webhooks.get(key)), "got_hook")
        case "hook_delete":
            webhooks.remove(key)
            return Response(204, b"", "deleted_hook")
        case _:
            body = load(call.body)
            own_id = body.get("ID") if isinstance(body, dict) else None
            stored = webhooks.put(key or str(own_id or account.new_id()), body)
            return Response(200 if key else 201, dump(stored), "put_hook")

"""The API of RetailCRM, version 5: a feed of changes to read, orders to create and edit."""

from __future__ import annotations

from typing import ClassVar, Final

from worker.lab.sandbox.retailcrm import php
from worker.lab.sandbox.retailcrm.account import RetailcrmAccount
from worker.lab.sandbox.retailcrm.calls import AccountCall, BadInputError, failure
from worker.lab.sandbox.system import Call, Response, System, web_page

_FORM: Final = "application/x-www-form-urlencoded"


class Retailcrm(System[RetailcrmAccount]):
    """The simulated RetailCRM; its accounts share one limit per address, as behind one web server."""

    name: ClassVar[str] = "retailcrm"
    default_window: ClassVar[float] = 0.1
    fragile_field: ClassVar[str] = "createdAt"
    account_type = RetailcrmAccount
    routes = (
        ("GET", "api/v5/orders", "list"),
        ("GET", "api/v5/orders/history", "history"),
        ("GET", "api/v5/orders/statuses", "statuses"),
        ("GET", "api/v5/orders/{uid}", "get"),
        ("POST", "api/v5/orders/create", "create"),
        ("POST", "api/v5/orders/upload", "upload"),
        ("POST", "api/v5/orders/{uid}/edit", "edit"),
        ("POST", "api/v5/orders/payments/create", "payment_create"),
        ("POST", "api/v5/orders/payments/{id}/edit", "payment_edit"),
        ("GET", "api/v5/settings", "settings"),
        ("GET", "api/v5/reference/{name}", "reference"),
        ("GET", "api/v5/custom-fields", "custom_fields"),
        ("GET", "api/credentials", "credentials"),
        ("GET", "api/api-versions", "versions"),
    )

    def throttled(self) -> Response:
        """Return the web server's own page, without a Retry-After."""
        return web_page(503, "refused_503")

    def refusal(self, status: int) -> Response:
        """Return JSON for a status that the application sends, else the web server's page."""
        if status in {401, 403}:
            return failure(status, "nothing", 'Wrong "apiKey" value.')
        return failure(500, "nothing", "Internal Server Error") if status == 500 else web_page(status, "nothing")  # noqa: PLR2004

    def respond(self, call: Call, op: str) -> Response:
        """Check the credentials, then do the work."""
        account = self.accounts.get(call.account)
        if account is None:
            return web_page(404, "unknown_account", "Account does not exist.")
        params = php.parameters(call.query)
        if call.method == "POST" and call.headers.get("Content-Type", "").startswith(_FORM):
            params |= php.parameters(call.body.decode("utf-8", "replace"))
        key = call.headers.get("X-API-KEY") or params.get("apiKey")
        if not key:
            return failure(403, "unauthorized", '"apiKey" is missing.')
        if key not in account.keys:
            return failure(403, "unauthorized", 'Wrong "apiKey" value.')
        try:
            return AccountCall(account, key, params, call.parts).run(op)
        except BadInputError as error:
            return failure(400, "refused", error.message, error.errors)

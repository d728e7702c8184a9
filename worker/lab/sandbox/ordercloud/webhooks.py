"""OrderCloud's webhooks: sent after a write, signed, never repeated."""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from typing import Any, Final

from worker.lab.sandbox.ordercloud.wire import RefusedError, dump, invalid, load, missing, now, written
from worker.lab.sandbox.webhooks import WebhookSender

_LOOPBACK: Final = ("http://127.0.0.1", "http://localhost", "http://[::1]")
_FIELDS: Final = (
    "ID", "Name", "Description", "Url", "HashKey", "ElevatedRoles", "ConfigData", "BeforeProcessRequest",
    "ApiClientIDs", "WebhookRoutes", "DeliveryConfigID", "CustomAuthHeaderName", "CustomAuthHeaderValue",
)  # fmt: skip


class Webhooks:
    """The webhooks of one marketplace.

    Options: `storefront` (the API client of buyers who submit made-up orders), `hook_repeat` (how often each webhook
    is sent). A webhook that should run before a write is stored but never called.
    """

    def __init__(self, options: dict[str, str]) -> None:
        self._storefront = options.pop("storefront", "sandbox-storefront")
        self._repeat = int(options.pop("hook_repeat", "1"))
        self._hooks: dict[str, dict[str, Any]] = {}
        self._sender = WebhookSender(concurrency=1)

    def put(self, key: str, body: Any) -> dict[str, Any]:
        """Create or replace a webhook. Raise RefusedError for a wrong one.

        Http is accepted for loopback addresses only, where OrderCloud would refuse it, so that tests can receive calls.
        """
        if not isinstance(body, dict) or not body.get("Name"):
            raise invalid("Name is required.")
        url = str(body.get("Url"))
        if not url.startswith(("https://", *_LOOPBACK)):
            raise RefusedError(400, "Webhook.UrlSchemeHttps", "Url must be https.")
        if not body.get("HashKey"):
            raise RefusedError(400, "Webhook.MissingHashKey", "HashKey is required.")
        self._hooks[key] = {name: body.get(name) for name in _FIELDS} | {"ID": key}
        return self._hooks[key]

    def get(self, key: str) -> dict[str, Any]:
        """Return a webhook. Raise RefusedError if there is none."""
        if key not in self._hooks:
            raise missing("Webhook", key)
        return self._hooks[key]

    def remove(self, key: str) -> None:
        """Delete a webhook. Raise RefusedError if there is none."""
        self.get(key)
        del self._hooks[key]

    def all(self) -> list[dict[str, Any]]:
        """Return all webhooks."""
        return list(self._hooks.values())

    def fire(  # noqa: PLR0913, PLR0917  # the fields of a webhook
        self,
        route: str,
        verb: str,
        params: dict[str, str],
        request: bytes,
        response: bytes,
        client: str | None,
        token: str,
    ) -> None:
        """Send a write to every webhook of this route and client (None: the storefront's)."""
        written_route = {"Route": route, "Verb": verb}
        for hook in self._hooks.values():
            of_client = (client or self._storefront) in (hook["ApiClientIDs"] or ())
            if not of_client or hook["BeforeProcessRequest"] or written_route not in (hook["WebhookRoutes"] or ()):
                continue
            body = dump({
                "Route": route, "RouteParams": params, "QueryParams": {}, "Verb": verb,
                "Date": written(now()), "LogID": str(uuid.uuid4()), "UserToken": token,
                "Request": {"Body": load(request or b"null"), "Headers": None},
                "Response": {"Body": load(response or b"null"), "Headers": None},
                "ConfigData": hook["ConfigData"],
            })  # fmt: skip
            for _ in range(self._repeat):
                self._sender.send(hook["Url"], body, _headers(hook, body))


def _headers(hook: dict[str, Any], body: bytes) -> dict[str, str]:
    signature = base64.b64encode(hmac.digest(hook["HashKey"].encode(), body, hashlib.sha256)).decode()
    headers = {"X-oc-hash": signature}
    if hook["CustomAuthHeaderName"]:
        headers[hook["CustomAuthHeaderName"]] = hook["CustomAuthHeaderValue"] or ""
    return headers

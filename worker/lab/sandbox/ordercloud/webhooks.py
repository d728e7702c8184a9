"""OrderCloud's webhooks: sent after a write, signed, never repeated of their own accord."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import uuid
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from typing import Any, Final
from urllib.request import ProxyHandler, Request, build_opener

from worker.lab.sandbox.ordercloud.wire import RefusedError, dump, invalid, load, missing, now, written

_direct = build_opener(ProxyHandler({}))
_LOOPBACK: Final = ("http://127.0.0.1", "http://localhost", "http://[::1]")
_FIELDS: Final = (
    "ID", "Name", "Description", "Url", "HashKey", "ElevatedRoles", "ConfigData", "BeforeProcessRequest",
    "ApiClientIDs", "WebhookRoutes", "DeliveryConfigID", "CustomAuthHeaderName", "CustomAuthHeaderValue",
)  # fmt: skip
_TIMEOUT: Final = 5.0


class Hooks:
    """Options: `storefront` (the client of buyers who submit made-up orders), `hook_repeat` (how often each is sent).

    A pre-hook is kept and never asked. A failed sending is not repeated, as no document promises it would be.
    """

    def __init__(self, options: dict[str, str]) -> None:
        self._storefront = options.pop("storefront", "sandbox-storefront")
        self._repeat = int(options.pop("hook_repeat", "1"))
        self._hooks: dict[str, dict[str, Any]] = {}
        self._sender = ThreadPoolExecutor(1, "hooks")

    def put(self, key: str, given: Any) -> dict[str, Any]:
        """Create or replace one. Raises RefusedError; http is for loopback only, else a sandbox could call nobody."""
        if not isinstance(given, dict) or not given.get("Name"):
            raise invalid("Name is required.")
        url = str(given.get("Url"))
        if not url.startswith(("https://", *_LOOPBACK)):
            raise RefusedError(400, "Webhook.UrlSchemeHttps", "Url must be https.")
        if not given.get("HashKey"):
            raise RefusedError(400, "Webhook.MissingHashKey", "HashKey is required.")
        self._hooks[key] = {name: given.get(name) for name in _FIELDS} | {"ID": key}
        return self._hooks[key]

    def get(self, key: str) -> dict[str, Any]:
        """One webhook. Raises RefusedError."""
        if key not in self._hooks:
            raise missing("Webhook", key)
        return self._hooks[key]

    def remove(self, key: str) -> None:
        """Delete one. Raises RefusedError."""
        self.get(key)
        del self._hooks[key]

    def all(self) -> list[dict[str, Any]]:
        """All webhooks."""
        return list(self._hooks.values())

    def fire(  # noqa: PLR0913, PLR0917  # what a webhook tells of a call
        self,
        route: str,
        verb: str,
        params: dict[str, str],
        request: bytes,
        response: bytes,
        client: str | None,
        token: str,
    ) -> None:
        """Send what was done to every post-hook of this route and client (None: the storefront's)."""
        wanted = {"Route": route, "Verb": verb}
        for hook in self._hooks.values():
            mine = (client or self._storefront) in (hook["ApiClientIDs"] or ())
            if not mine or hook["BeforeProcessRequest"] or wanted not in (hook["WebhookRoutes"] or ()):
                continue
            body = dump({
                "Route": route, "RouteParams": params, "QueryParams": {}, "Verb": verb,
                "Date": written(now()), "LogID": str(uuid.uuid4()), "UserToken": token,
                "Request": {"Body": load(request or b"null"), "Headers": None},
                "Response": {"Body": load(response or b"null"), "Headers": None},
                "ConfigData": hook["ConfigData"],
            })  # fmt: skip
            for _ in range(self._repeat):
                asyncio.get_running_loop().run_in_executor(self._sender, _send, hook, body)


def _send(hook: dict[str, Any], body: bytes) -> None:
    mark = base64.b64encode(hmac.digest(hook["HashKey"].encode(), body, hashlib.sha256)).decode()
    headers = {"Content-Type": "application/json", "X-oc-hash": mark}
    if hook["CustomAuthHeaderName"]:
        headers[hook["CustomAuthHeaderName"]] = hook["CustomAuthHeaderValue"] or ""
    request = Request(hook["Url"], data=body, headers=headers)  # noqa: S310  # checked when it was put
    with contextlib.suppress(OSError, HTTPException), _direct.open(request, timeout=_TIMEOUT) as answer:
        answer.read()

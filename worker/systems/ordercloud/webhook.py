"""Webhooks of OrderCloud: signed, taken as hints."""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from typing import TYPE_CHECKING, Any, ClassVar, Final

from worker.systems.webhook.bodies import parse
from worker.systems.webhook.contract import Refused, Webhook
from worker.systems.webhook.jobs import hints

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.systems.webhook.contract import Call

_HEADER: Final = "x-oc-hash"
#: The Base64 of 32 bytes.
_HASH: Final = re.compile(r"[A-Za-z0-9+/]{43}=")
#: The prefix of the routes that create or change orders.
_ORDERS: Final = "v1/orders/"
_PARTS_OF_CREATE: Final = 3


class OrderCloud(Webhook):
    """`X-oc-hash` is the Base64 of the HMAC-SHA256 of the raw body under the HashKey ("Using webhooks").

    The signature covers no time: a replayed call is a repeated hint, which changes nothing. The answer always holds
    `proceed`, which a pre-hook (`BeforeProcessRequest`) waits for. Set up post-hooks: before the request is processed
    there is nothing new to read, and a 503 of ours would stop a buyer.
    """

    kind: ClassVar[str] = "ordercloud"
    hints_only: ClassVar[bool] = True
    answer: ClassVar[Mapping[str, Any]] = {"proceed": True}

    def prove_head(self, head: Call, now: float) -> None:  # noqa: ARG002  # the call holds no time
        """Check that there is a hash."""
        if not _HASH.fullmatch(head.headers.get(_HEADER, "")):
            raise Refused(401, "signature", "X-oc-hash is missing or wrong")

    def prove(self, call: Call, now: float) -> None:  # noqa: ARG002  # the call holds no time
        """Check the hash."""
        expected = b64encode(hmac.digest(self.secret.encode(), call.body, "sha256"))
        if not hmac.compare_digest(call.headers.get(_HEADER, "").encode(), expected):
            raise Refused(401, "signature", "X-oc-hash is missing or wrong")

    def jobs(self, call: Call) -> list[str]:
        """Return a hint for the order of the call. Return none for a deletion, or a call that concerns no order."""
        body = parse(call.body)
        if not isinstance(body, dict):
            raise Refused(400, "not_a_webhook", "the body is not an object")
        order_id = _order_id(body)
        return [] if order_id is None else hints(self.provider, [order_id])

    def operation(self) -> dict[str, Any]:
        """Return the description of an object with Route, RouteParams, Verb, Request and Response."""
        part = {"type": "object", "properties": {"Body": {"type": ["object", "null"]}}}
        fields = {
            "Route": {"type": "string"},
            "RouteParams": {"type": ["object", "null"]},
            "Verb": {"type": "string"},
            "LogID": {"type": "string"},
            "Request": part,
            "Response": part,
        }
        return {
            "parameters": [{"name": "X-oc-hash", "in": "header", "schema": {"type": "string"}}],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"type": "object", "properties": fields}}},
            },
        }


def _order_id(body: dict[str, Any]) -> Any:
    """Return the id in the route, or the one in the response for an order that was just created."""
    route = _text(body.get("Route")).strip("/").lower()
    params = {name.lower(): value for name, value in _object(body.get("RouteParams")).items()}
    if "orderid" in params:
        deleted = _text(body.get("Verb")).upper() == "DELETE" and route.endswith("/{orderid}")
        return None if deleted else params["orderid"]
    if not route.startswith(_ORDERS) or route.count("/") >= _PARTS_OF_CREATE:
        return None
    ids = (_object(_object(body.get(part)).get("Body")).get("ID") for part in ("Response", "Request"))
    return next((order_id for order_id in ids if order_id is not None), None)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""

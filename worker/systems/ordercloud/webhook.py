"""Webhooks of OrderCloud: signed, and taken as hints."""

from __future__ import annotations

import hmac
from base64 import b64encode
from typing import TYPE_CHECKING, Any, ClassVar, Final

from worker.systems.webhook.bodies import parse
from worker.systems.webhook.contract import Refused, Webhook
from worker.systems.webhook.jobs import hints

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.systems.webhook.contract import Call

_HEADER: Final = "x-oc-hash"
#: The routes that create orders, change them, or do something to them.
_ORDERS: Final = "v1/orders/"
_PARTS_OF_CREATE: Final = 3


class OrderCloud(Webhook):
    """`X-oc-hash` is the Base64 of the HMAC-SHA256 of the raw body under the HashKey ("Using webhooks").

    There is no time in it: a call that is sent again is a hint given again, which changes nothing. A pre-hook
    (`BeforeProcessRequest`) waits for `proceed`, so that is always said; but before the request was processed there is
    nothing new to read, and our 503 would hold up a buyer: post-hooks are what to set up.
    """

    kind: ClassVar[str] = "ordercloud"
    hints_only: ClassVar[bool] = True
    answer: ClassVar[Mapping[str, Any]] = {"proceed": True}

    def prove(self, call: Call, now: float) -> None:  # noqa: ARG002  # there is no time in it
        """Check the hash."""
        wanted = b64encode(hmac.digest(self.secret.encode(), call.body, "sha256"))
        if not hmac.compare_digest(call.headers.get(_HEADER, "").encode(), wanted):
            raise Refused(401, "signature", "X-oc-hash is missing or wrong")

    def jobs(self, call: Call) -> list[str]:
        """One hint where the call is about an order; none where it is about something else, or deletes the order."""
        said = parse(call.body)
        if not isinstance(said, dict):
            raise Refused(400, "not_a_webhook", "the body is not an object")
        order_id = _order_id(said)
        return [] if order_id is None else hints(self.provider, [order_id])

    def operation(self) -> dict[str, Any]:
        """An object with Route, RouteParams, Verb, Request, Response."""
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


def _order_id(said: dict[str, Any]) -> Any:
    """The id in the route; of an order that was just created, the one in the answer."""
    route = _text(said.get("Route")).strip("/").lower()
    params = {name.lower(): value for name, value in _object(said.get("RouteParams")).items()}
    if "orderid" in params:
        gone = _text(said.get("Verb")).upper() == "DELETE" and route.endswith("/{orderid}")
        return None if gone else params["orderid"]
    if not route.startswith(_ORDERS) or route.count("/") >= _PARTS_OF_CREATE:
        return None
    made = (_object(_object(said.get(part)).get("Body")).get("ID") for part in ("Response", "Request"))
    return next((one for one in made if one is not None), None)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""

"""Webhooks of Dropboy: unsigned, taken as hints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from worker.systems.webhook import token
from worker.systems.webhook.bodies import parse
from worker.systems.webhook.contract import Refused, Webhook
from worker.systems.webhook.jobs import hints

if TYPE_CHECKING:
    from worker.systems.webhook.contract import Call


class Dropboy(Webhook):
    """`{name, sent, data: [{orderId, …}]}` ("Dropboy webhooks"). Only the ids are used."""

    kind: ClassVar[str] = "dropboy"
    hints_only: ClassVar[bool] = True
    sends_secret: ClassVar[bool] = True

    def prove(self, call: Call, now: float) -> None:  # noqa: ARG002  # the call holds no time
        """Check the secret."""
        token.prove(call, self.secret)

    def jobs(self, call: Call) -> list[str]:
        """Return a hint for each order in the body. Other events name no order."""
        body = parse(call.body)
        if not isinstance(body, dict):
            raise Refused(400, "not_a_webhook", "the body is not an object")
        data = body.get("data")
        rows = data if isinstance(data, list) else [data]
        return hints(self.provider, [row["orderId"] for row in rows if isinstance(row, dict) and row.get("orderId")])

    def operation(self) -> dict[str, Any]:
        """Return the description of the envelope."""
        row = {"type": "object", "properties": {"orderId": {"type": "string"}}}
        fields = {"name": {"type": "string"}, "sent": {"type": "string"}, "data": {"type": "array", "items": row}}
        return {
            "parameters": token.parameters(),
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"type": "object", "properties": fields}}},
            },
        }

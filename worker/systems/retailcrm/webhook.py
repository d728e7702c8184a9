"""Triggers of RetailCRM: HTTP requests that the owner of the account defined, taken as hints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl

from worker.systems.webhook import token
from worker.systems.webhook.bodies import parse
from worker.systems.webhook.contract import Refused, Webhook
from worker.systems.webhook.jobs import hints

if TYPE_CHECKING:
    from worker.systems.webhook.contract import Call


class RetailCRM(Webhook):
    """`id` holds RetailCRM's own ids of orders, in the URL, a form or JSON: once, several times, or as 7,8,9.

    RetailCRM documents neither a body nor a signature: the owner of the account defines both in the trigger.
    """

    kind: ClassVar[str] = "retailcrm"
    hints_only: ClassVar[bool] = True
    sends_secret: ClassVar[bool] = True

    def prove(self, call: Call, now: float) -> None:  # noqa: ARG002  # the call holds no time
        """Check the secret."""
        token.prove(call, self.secret)

    def jobs(self, call: Call) -> list[str]:
        """Return a hint for each id. A call without any is refused: its owner should see the mistake in the trigger."""
        values = [value for name, value in call.query if name == "id"] + _in_body(call.body)
        ids = [part for value in values for part in _parts(value)]
        if not ids:
            raise Refused(400, "no_id", "there is no id of an order, in the URL, a form or JSON")
        return hints(self.provider, ids)

    def operation(self) -> dict[str, Any]:
        """Return the description of the id in the query, a form, or JSON."""
        either = {"anyOf": [{"type": "string"}, {"type": "integer"}]}
        many = {"anyOf": [*either["anyOf"], {"type": "array", "items": either}]}
        query = {"name": "id", "in": "query", "schema": {"type": "string"}}
        content = {
            "application/json": {"schema": {"type": "object", "properties": {"id": many}}},
            "application/x-www-form-urlencoded": {
                "schema": {"type": "object", "properties": {"id": {"type": "string"}}},
            },
        }
        return {"parameters": [query, *token.parameters()], "requestBody": {"content": content}}


def _parts(value: Any) -> list[Any]:
    return [part for part in value.split(",") if part.strip()] if isinstance(value, str) else [value]


def _in_body(body: bytes) -> list[Any]:
    """Return the ids in a body. The content type is ignored: the owner of the trigger may not have set it."""
    if body.lstrip()[:1] in {b"{", b"["}:
        parsed = parse(body)
        value = parsed.get("id", []) if isinstance(parsed, dict) else parsed
        return value if isinstance(value, list) else [value]
    try:
        fields = parse_qsl(body.decode().strip(), keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        raise Refused(400, "not_a_form", "the body is neither JSON nor a form in UTF-8") from None
    return [value for name, value in fields if name == "id"]

"""The proof of senders that cannot sign: they send the secret itself."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any, Final

from worker.systems.webhook.contract import Refused

if TYPE_CHECKING:
    from worker.systems.webhook.contract import Call

#: The query parameter that may hold the secret.
QUERY: Final = "secret"
_BEARER: Final = "bearer "


def prove(call: Call, secret: str) -> None:
    """Raise Refused unless the secret is the end of the path, `?secret=…`, or `Authorization: Bearer …`."""
    sent = [call.token, *(value for name, value in call.query if name == QUERY)]
    authorization = call.headers.get("authorization", "")
    if authorization.lower().startswith(_BEARER):
        sent.append(authorization[len(_BEARER) :].strip())
    expected = secret.encode()
    if not any([hmac.compare_digest(each.encode("utf-8", "surrogatepass"), expected) for each in sent]):  # noqa: C419  # all of them
        raise Refused(401, "secret", "the secret is missing or wrong")


def parameters() -> list[dict[str, Any]]:
    """Return the parameters of the OpenAPI operation."""
    return [{"name": QUERY, "in": "query", "schema": {"type": "string"}, "description": "The secret."}]

"""The proof of senders that cannot sign: they know the secret, and say it."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any, Final

from worker.systems.webhook.contract import Refused

if TYPE_CHECKING:
    from worker.systems.webhook.contract import Call

#: Where the secret may stand besides the end of the path.
QUERY: Final = "secret"
_BEARER: Final = "bearer "


def prove(call: Call, secret: str) -> None:
    """Raise Refused unless the secret is the end of the path, `?secret=…`, or `Authorization: Bearer …`."""
    said = [call.token, *(value for name, value in call.query if name == QUERY)]
    authorization = call.headers.get("authorization", "")
    if authorization.lower().startswith(_BEARER):
        said.append(authorization[len(_BEARER) :].strip())
    wanted = secret.encode()
    if not any([hmac.compare_digest(one.encode("utf-8", "surrogatepass"), wanted) for one in said]):  # noqa: C419  # all of them
        raise Refused(401, "secret", "the secret is missing or wrong")


def parameters() -> list[dict[str, Any]]:
    """What OpenAPI says of it."""
    return [{"name": QUERY, "in": "query", "schema": {"type": "string"}, "description": "The secret."}]

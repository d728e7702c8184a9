"""Standard Webhooks (standardwebhooks.com), with jobs as their bodies."""

from __future__ import annotations

import binascii
import hmac
import re
from base64 import b64decode
from typing import TYPE_CHECKING, Any, ClassVar, Final

from worker.settings.tables import SettingError
from worker.systems.webhook.bodies import parse
from worker.systems.webhook.contract import Refused, Webhook
from worker.systems.webhook.jobs import job, limited

if TYPE_CHECKING:
    from worker.systems.webhook.contract import Call

#: The most seconds between the time of a call and ours, as in the libraries of the specification.
TOLERANCE: Final = 300
_UNIX: Final = re.compile(r"[0-9]{1,12}")


class Standard(Webhook):
    """`webhook-signature` holds one or more signatures: `v1,` and the Base64 of the HMAC-SHA256 of `id.timestamp.body`.

    The body is a job (`schemas/job.py`) or a list of them.
    """

    kind: ClassVar[str] = "standard"

    @classmethod
    def check_secret(cls, secret: str) -> None:
        """Raise SettingError for a secret that is not Base64 after an optional `whsec_`."""
        try:
            _key(secret)
        except ValueError:
            raise SettingError("is not a secret of Standard Webhooks", "Write whsec_ and the key in Base64.") from None

    def prove_head(self, head: Call, now: float) -> None:
        """Check the time, and that there is a signature."""
        message_id, at, signatures = (
            head.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")
        )
        if not message_id or not _UNIX.fullmatch(at):
            raise Refused(401, "signature", "webhook-id or webhook-timestamp is missing or wrong")
        if abs(now - int(at)) > TOLERANCE:
            raise Refused(401, "signature_age", f"webhook-timestamp is more than {TOLERANCE} s away from our clock")
        if not _signatures(signatures):
            raise Refused(401, "signature", "webhook-signature is missing or wrong")

    def prove(self, call: Call, now: float) -> None:
        """Check the time and the signatures. One valid signature is enough: keys are changed while both are in use."""
        self.prove_head(call, now)
        message_id, at, signatures = (call.headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
        text = f"{message_id}.{at}.".encode("latin-1", "replace") + call.body
        expected = hmac.digest(_key(self.secret), text, "sha256")
        if not any([hmac.compare_digest(each, expected) for each in _signatures(signatures)]):  # noqa: C419  # all of them
            raise Refused(401, "signature", "webhook-signature is missing or wrong")

    def jobs(self, call: Call) -> list[str]:
        """Return the jobs of the body."""
        body = parse(call.body)
        allowed = {self.name, *self.producer.pushes_for}
        return [job(item, allowed) for item in limited(body if isinstance(body, list) else [body])]

    def signed_at(self, call: Call, jobs: int, now: int) -> list[int]:  # noqa: ARG002  # the call has its own time
        """Return the time that the signature covers."""
        return [int(call.headers["webhook-timestamp"])] * jobs

    def operation(self) -> dict[str, Any]:
        """Return the description of a job or a list of jobs."""
        item = {"$ref": "#/components/schemas/Job"}
        schema = {"anyOf": [item, {"type": "array", "items": item}]}
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        return {
            "parameters": [{"name": name, "in": "header", "schema": {"type": "string"}} for name in names],
            "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        }


def _key(secret: str) -> bytes:
    key = b64decode(secret.removeprefix("whsec_"), validate=True)
    if not key:
        raise ValueError("the key is empty")
    return key


def _signatures(text: str) -> list[bytes]:
    signatures = []
    for word in text.split():
        version, _, signature = word.partition(",")
        if version == "v1":
            try:
                signatures.append(b64decode(signature, validate=True))
            except (binascii.Error, ValueError):
                continue
    return signatures

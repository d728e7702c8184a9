"""Signed jobs of our own: what may be pushed onto the inbox may be sent over HTTP as well."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ValidationError

from schemas import job as wire
from worker.systems.webhook.bodies import parse
from worker.systems.webhook.contract import Refused, Webhook
from worker.systems.webhook.jobs import job

if TYPE_CHECKING:
    from worker.systems.webhook.contract import Call


class Signed(Webhook):
    """The body is one signed job (`schemas/job.py`), or a list of them."""

    kind: ClassVar[str] = "signed"

    def prove(self, call: Call, now: float) -> None:
        """Check the signature and the age of each."""
        for one in self._signed(call):
            wanted = wire.signature(self.secret, one.at, one.job)
            if one.producer != self.name or not hmac.compare_digest(wanted, one.signature):
                raise Refused(401, "signature", "the signature is wrong, or another producer's")
            if abs(now - one.at) > self.tolerance:
                raise Refused(401, "signature_age", f"the signature is not of the last {self.tolerance:.0f} s")

    def jobs(self, call: Call) -> list[str]:
        """The jobs that were signed."""
        allowed = {self.name, *self.producer.pushes_for}
        return [job(parse(one.job.encode("utf-8", "surrogatepass")), allowed) for one in self._signed(call)]

    def operation(self) -> dict[str, Any]:
        """A signed job or a list of them."""
        one = {"$ref": "#/components/schemas/Signed"}
        schema = {"anyOf": [one, {"type": "array", "items": one}]}
        return {
            "parameters": [],
            "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        }

    def _signed(self, call: Call) -> list[wire.Signed]:
        said = parse(call.body)
        try:
            return [wire.Signed.model_validate(one) for one in (said if isinstance(said, list) else [said])]
        except ValidationError:
            raise Refused(400, "not_signed", "the body is not a signed job, nor a list of them") from None

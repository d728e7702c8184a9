"""Signed jobs in the format of Intake, sent over HTTP instead of being pushed onto the inbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ValidationError

from schemas import job as wire
from worker.systems.webhook.bodies import parse
from worker.systems.webhook.contract import Refused, Webhook
from worker.systems.webhook.jobs import job, limited

if TYPE_CHECKING:
    from worker.systems.webhook.contract import Call


class Signed(Webhook):
    """The body is one signed job (`schemas/job.py`), or a list of them."""

    kind: ClassVar[str] = "signed"

    def prove(self, call: Call, now: float) -> None:
        """Check the signature and the age of each job."""
        for signed in self._signed(call):
            if not signed.signed_by(self.secret) or signed.producer != self.name:
                raise Refused(401, "signature", "the signature is wrong, or another producer's")
            if not -wire.AHEAD <= now - signed.at <= self.tolerance:
                raise Refused(401, "signature_age", f"the signature is not from the last {self.tolerance:.0f} s")

    def jobs(self, call: Call) -> list[str]:
        """Return the jobs that were signed."""
        allowed = {self.name, *self.producer.pushes_for}
        return [job(parse(signed.job.encode("utf-8", "surrogatepass")), allowed) for signed in self._signed(call)]

    def signed_at(self, call: Call, jobs: int, now: int) -> list[int]:  # noqa: ARG002  # each job has its own time
        """Return the times that the signatures cover."""
        return [signed.at for signed in self._signed(call)]

    def operation(self) -> dict[str, Any]:
        """Return the description of a signed job or a list of them."""
        signed = {"$ref": "#/components/schemas/Signed"}
        schema = {"anyOf": [signed, {"type": "array", "items": signed}]}
        return {
            "parameters": [],
            "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        }

    def _signed(self, call: Call) -> list[wire.Signed]:
        body = parse(call.body)
        try:
            return [wire.Signed.model_validate(item) for item in limited(body if isinstance(body, list) else [body])]
        except ValidationError:
            raise Refused(400, "not_signed", "the body is not a signed job, nor a list of them") from None

"""The job that a producer pushes onto the inbox: one JSON text."""

from __future__ import annotations

import hmac
import re
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from schemas.order import Order
from schemas.values import Id, Moment

#: The version of this format; a producer writes it into every job.
VERSION: Final = 1
#: The list in Redis that jobs are pushed onto (`LPUSH intake:inbox JOB`).
INBOX: Final = "intake:inbox"

#: The most seconds that the clock of a producer may be ahead of ours.
AHEAD: Final = 300

#: In some languages a `$` matches before a final line break as well; no name has one.
_ONE_LINE: Final = {"not": {"pattern": "\\n"}}
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$", json_schema_extra=_ONE_LINE)]
#: RFC 3339, which JSON Schema calls a date-time.
_TIME: Final = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)


def _rfc3339(value: Any) -> Any:
    if not isinstance(value, str) or not re.fullmatch(_TIME, value):
        raise ValueError("write a time as 2026-01-31T09:30:00Z, or with +01:00 for Z")
    return value


def _whole(value: Any) -> Any:
    if type(value) is not int:  # in Python, True and 1.0 equal 1
        raise ValueError("Input should be a whole number")
    return value


_Version = Annotated[Literal[1], BeforeValidator(_whole)]
_Short = Annotated[str, Field(max_length=200)]
_Object = Annotated[dict[str, Any], Field(min_length=1)]
_ExternalId = Annotated[Id, Field(json_schema_extra=_ONE_LINE)]
_SentAt = Annotated[Moment, BeforeValidator(_rfc3339), Field(json_schema_extra={"pattern": _TIME, **_ONE_LINE})]


class Job(BaseModel):
    """An order for Intake to carry: as the provider sends it, as an `Order`, or by its id alone.

    Exactly one of `record`, `order` and `external_id` is given (null is not given). Pushing the same job again changes
    nothing.

    The JSON Schema says all that is asked of a job, but: a whole number is written without a point (1, not 1.0); a day
    is one that the calendar has; text is Unicode (no half of a surrogate pair); a job has at most 1 MiB, if `[inbox]
    max_bytes` says nothing else; `record` and `order` are read later, one by the provider's adapter, the other by
    `intake schema order`.
    """

    model_config = ConfigDict(
        defer_build=True,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        json_schema_extra={
            "oneOf": [
                {"required": [name], "properties": {name: {"type": kind}}}
                for name, kind in (("record", "object"), ("order", "object"), ("external_id", "string"))
            ],
        },
    )

    v: Annotated[_Version, Field(description="The version of this format.")]
    provider: Annotated[Name, Field(description="The name of the order's account in intake.toml.")]
    record: _Object | None = Field(default=None, description="The order as the provider sends it.")
    order: _Object | None = Field(
        default=None, description="The order in the format of Intake (`intake schema order`)."
    )
    external_id: _ExternalId | None = Field(default=None, description="A hint: Intake fetches the order itself.")
    id: _Short | None = Field(default=None, description="The producer's own id of the job, for its log.")
    sent_at: _SentAt | None = Field(default=None, description="When it was sent: RFC 3339 with a zone.")
    trace: _Short | None = Field(default=None, description="A W3C traceparent.")

    @model_validator(mode="after")
    def _one_content(self) -> Job:
        if sum(content is not None for content in (self.record, self.order, self.external_id)) != 1:
            raise ValueError("give exactly one of record, order and external_id")
        return self


_SIGNATURE: Final = (
    "The lower-case hex HMAC-SHA256 of the text `{at}.{job}` under the producer's secret, both as bytes of UTF-8."
)
_FORMER_SIGNATURE: Final = (
    "The same under another secret of the producer, while its secret changes: one valid signature is enough."
)


_Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", json_schema_extra=_ONE_LINE)]


class Signed(BaseModel):
    """A job whose producer proves who it is."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    v: Annotated[_Version, Field(description="The version of this format.")]
    producer: Annotated[Name, Field(description="The name in intake.toml of the producer, which has a secret there.")]
    at: Annotated[int, Field(ge=0, lt=10**12, description="When it was signed: Unix time in whole seconds.")]
    job: Annotated[str, Field(description="The job's JSON as text.")]
    signature: _Hex = Field(description=_SIGNATURE)

    former_signature: _Hex | None = Field(default=None, description=_FORMER_SIGNATURE)

    def signed_by(self, secret: str) -> bool:
        """Return whether one of the signatures was made with the secret."""
        expected, made = signature(secret, self.at, self.job), (self.signature, self.former_signature or "")
        return any([hmac.compare_digest(expected, each) for each in made])  # noqa: C419  # all of them


def signature(secret: str, at: int, job: str) -> str:
    """Return the signature of the text `job`, signed at the Unix time `at`."""
    return hmac.new(secret.encode(), f"{at}.{job}".encode("utf-8", "surrogatepass"), "sha256").hexdigest()


_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def sign(producer: str, secret: str, at: int, job: str, former: str | None = None) -> Signed:
    """Sign a job of a producer at the Unix time `at`; also with its former secret, which its reader may still have."""
    also = signature(former, at, job) if former else None
    made = signature(secret, at, job)
    return Signed(v=VERSION, producer=producer, at=at, job=job, signature=made, former_signature=also)


def published() -> dict[str, Any]:
    """Return the JSON Schema of a pushed text: a job, signed or not."""
    schema: dict[str, Any] = {
        "$schema": _DIALECT,
        "title": "Intake job",
        "anyOf": [{"$ref": "#/$defs/Job"}, {"$ref": "#/$defs/Signed"}],
        "$defs": {},
    }
    for model in (Job, Signed):
        schema["$defs"][model.__name__] = model.model_json_schema()
    text = schema["$defs"]["Signed"]["properties"]["job"]
    text |= {"contentMediaType": "application/json", "contentSchema": {"$ref": "#/$defs/Job"}}
    return schema


def published_order() -> dict[str, Any]:
    """Return the JSON Schema of a job's `order`. Its `provider` may be left out: the job names it."""
    schema = Order.model_json_schema()
    schema["required"].remove("provider")
    return {"$schema": _DIALECT, **schema}

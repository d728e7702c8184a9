"""The job that a producer pushes onto the inbox: one JSON text."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from schemas.order import Id, Moment

#: The version of this format; a producer writes it into every job.
VERSION: Final = 1
#: The list in Redis that jobs are pushed onto (`LPUSH intake:inbox JOB`).
INBOX: Final = "intake:inbox"

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")]


def _json_object(value: dict[str, Any]) -> dict[str, Any]:
    if not value:
        raise ValueError("is empty")
    return value


_Short = Annotated[str, Field(max_length=200)]
_Object = Annotated[dict[str, Any], AfterValidator(_json_object)]


class Job(BaseModel):
    """An order for Intake to carry: as the provider sends it, as an `Order`, or by its id alone.

    Exactly one of `record`, `order` and `external_id` is given. Pushing the same job again changes nothing.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        json_schema_extra={
            "oneOf": [{"required": ["record"]}, {"required": ["order"]}, {"required": ["external_id"]}],
        },
    )

    v: Literal[1]
    """The version of this format."""
    provider: Name
    """The name in intake.toml of the account whose order this is."""
    record: _Object | None = None
    """The order as the provider sends it."""
    order: _Object | None = None
    """The order in the words of Intake (`intake schema order`)."""
    external_id: Id | None = None
    """A hint: Intake fetches the order itself."""
    id: _Short | None = None
    """The producer's own id of the job, for its log."""
    sent_at: Moment | None = None
    """When it was sent: ISO 8601 with a zone."""
    trace: _Short | None = None
    """A W3C traceparent."""

    @model_validator(mode="after")
    def _one_content(self) -> Job:
        if sum(it is not None for it in (self.record, self.order, self.external_id)) != 1:
            raise ValueError("give exactly one of record, order and external_id")
        return self


class Signed(BaseModel):
    """A job whose producer proves who it is.

    `signature` is the lower-case hex HMAC-SHA256 of the text `{at}.{job}` under the producer's secret, as bytes of
    UTF-8; `job` is the job's JSON as text, `at` the Unix time in whole seconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    v: Literal[1]
    producer: Name
    at: Annotated[int, Field(ge=0, lt=10**12)]
    job: str
    signature: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def published() -> dict[str, Any]:
    """The JSON Schema of what may be pushed: a job, signed or not."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Intake job",
        "anyOf": [{"$ref": "#/$defs/Job"}, {"$ref": "#/$defs/Signed"}],
        "$defs": {},
    }
    for model in (Job, Signed):
        one = model.model_json_schema(ref_template="#/$defs/{model}")
        schema["$defs"] |= one.pop("$defs", {}) | {model.__name__: one}
    return schema

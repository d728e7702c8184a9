"""The OpenAPI document of the API, made from its calls."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from pydantic.json_schema import models_json_schema

from worker.web.api.call import ROOT
from worker.web.api.models import ProblemDetails

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel
    from pydantic.json_schema import JsonSchemaMode

    from worker.web.api.call import Call

#: How every call may be refused, and those that take a body.
_ALWAYS: Final = {
    400: "A parameter or a field is not valid.",
    401: "There is no valid token.",
    403: "The role of the token does not allow it.",
    429: "Too many calls in a minute: see Retry-After.",
    503: "Redis cannot be used now: see Retry-After.",
}
_WITH_BODY: Final = {413: "The body is too large.", 415: "The body is not JSON."}
_SOMETIMES: Final = {
    404: "It does not exist.",
    409: "It changed meanwhile, or it is not possible now. Nothing was done.",
}
_DESCRIPTION: Final = (
    "Find orders, list those that wait for a person, and act on them. A token has a role:"
    " `viewer` sees no personal data, `support` sees that of an order and may send it again, `operator` may do"
    " everything."
)


def document(calls: Sequence[Call]) -> dict[str, Any]:
    """Return the OpenAPI document of these calls."""
    used = [model for call in calls for model in (call.answer, call.body) if model] + [ProblemDetails]
    taken = {call.body for call in calls}
    modes: dict[type[BaseModel], JsonSchemaMode] = {
        model: "validation" if model in taken else "serialization" for model in used
    }
    schemas, definitions = models_json_schema(list(modes.items()), ref_template="#/components/schemas/{model}")
    names = {str(model.__name__): str(schema["$ref"]) for (model, _), schema in schemas.items()}
    paths: dict[str, dict[str, Any]] = {}
    for call in calls:
        paths.setdefault(f"{ROOT}{call.path}", {})[call.method.lower()] = _operation(call, names)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Intake", "version": version("intake-orders"), "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(call: Call, names: dict[str, str]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{call.method.lower()}{call.path}").strip("_"),
        "summary": call.summary,
        "description": f"Needs the role `{call.role}`.",
        "parameters": [*_path_parameters(call.path), *_query_parameters(call)],
        "responses": {
            "200": {"description": "Done.", "content": _content("application/json", names[call.answer.__name__])}
        },
    }
    refusals = _ALWAYS | (_WITH_BODY if call.body else {})
    refusals |= {status: text for status, text in _SOMETIMES.items() if status in call.refusals}
    problem = _content("application/problem+json", names[ProblemDetails.__name__])
    operation["responses"] |= {
        str(status): {"description": text, "content": problem} for status, text in sorted(refusals.items())
    }
    if call.body:
        operation["requestBody"] = {
            "required": True,
            "content": _content("application/json", names[call.body.__name__]),
        }
    return operation


def _content(media_type: str, reference: str) -> dict[str, Any]:
    return {media_type: {"schema": {"$ref": reference}}}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _query_parameters(call: Call) -> list[dict[str, Any]]:
    if call.query is None:
        return []
    schema = call.query.model_json_schema()
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "description": field.pop("description", ""),
            "schema": {key: value for key, value in field.items() if key != "title"},
        }
        for name, field in schema["properties"].items()
    ]

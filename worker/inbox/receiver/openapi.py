"""The OpenAPI document of the receiver, with a path for each configured producer."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from schemas.job import published

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.systems.webhook.contract import Webhook

_REASONS = {
    400: "The body is not valid.",
    401: "The sender is not authenticated.",
    408: "The body came too slowly.",
    413: "The body is larger than {most} bytes.",
    503: "Nothing was accepted: send it again later.",
}


def document(senders: Sequence[Webhook], most: int) -> dict[str, Any]:
    """Return the document, in OpenAPI 3.1."""
    schemas = published()["$defs"] | {
        "Accepted": {
            "type": "object",
            "required": ["accepted"],
            "properties": {"accepted": {"type": "integer", "minimum": 0}},
        },
        "Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}},
        "Status": {"type": "object", "required": ["status"], "properties": {"status": {"const": "ok"}}},
    }
    paths = {
        "/health": {"get": _status("health", "The receiver is running.", {})},
        "/ready": {"get": _status("ready", "Redis accepts jobs.", {"503": _error("Redis accepts no jobs now.", 503)})},
    }
    for sender in senders:
        paths[f"/hooks/{sender.name}"] = {"post": _hook(sender, most, [])}
        if sender.sends_secret:
            token = {"name": "token", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            paths[f"/hooks/{sender.name}/{{token}}"] = {"post": _hook(sender, most, [token])}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Intake: webhooks", "version": version("intake-orders")},
        "paths": paths,
        "components": {"schemas": _with_openapi_references(schemas)},
    }


def _hook(sender: Webhook, most: int, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    operation = sender.operation()
    refusals = {str(status): _error(reason.format(most=most), status) for status, reason in _REASONS.items()}
    return {
        "operationId": f"{sender.name}{'-token' if parameters else ''}",
        "summary": f"A webhook of the kind {sender.producer.kind}.",
        **operation,
        "parameters": [*parameters, *operation["parameters"]],
        "responses": {"202": _accepted(sender), **refusals},
    }


def _accepted(sender: Webhook) -> dict[str, Any]:
    response = _response("The jobs are in the inbox.", "Accepted")
    if sender.answer:
        fields = {name: {"const": value} for name, value in sender.answer.items()}
        media = response["content"]["application/json"]
        media["schema"] = {"allOf": [media["schema"], {"required": list(fields), "properties": fields}]}
    return response


def _status(name: str, summary: str, others: dict[str, Any]) -> dict[str, Any]:
    return {"operationId": name, "summary": summary, "responses": {"200": _response("Yes.", "Status"), **others}}


def _error(description: str, status: int) -> dict[str, Any]:
    retry = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    return _response(description, "Error") | ({"headers": retry} if status == 503 else {})  # noqa: PLR2004


def _response(description: str, schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content}


def _with_openapi_references(value: Any) -> Any:
    """Return `value` with the references of JSON Schema changed to the place where OpenAPI keeps schemas."""
    if isinstance(value, dict):
        return {key: _with_openapi_references(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_openapi_references(item) for item in value]
    return value.replace("#/$defs/", "#/components/schemas/") if isinstance(value, str) else value

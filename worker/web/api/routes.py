"""The routes of the API: every call with its path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import RootModel
from starlette.routing import Route

from worker.web.api import accounts, lists, openapi, orders
from worker.web.api.call import ROOT, Asked, Call
from worker.web.api.dispatch import CallEndpoint
from worker.web.api.limits import CallLimits

if TYPE_CHECKING:
    from worker.web.console import Console


def _document(_: Asked) -> dict[str, Any]:
    return openapi.document(CALLS)


class Document(RootModel[dict[str, Any]]):
    """The OpenAPI document."""


CALLS: Final[tuple[Call, ...]] = (
    Call("/openapi.json", "GET", _document, "Return this document", Document, role="viewer"),
    *orders.CALLS,
    *lists.CALLS,
    *accounts.CALLS,
)


def api_routes(console: Console) -> list[Route]:
    """Return the routes of the API for a console."""
    limits = CallLimits()
    return [
        # The key of an order may contain a slash.
        Route(
            f"{ROOT}{call.path.replace('{key}', '{key:path}')}",
            CallEndpoint(console, limits, call).answer,
            methods=[call.method],
        )
        for call in CALLS
    ]

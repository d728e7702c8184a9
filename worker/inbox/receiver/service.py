"""The web service: a path for each producer, health checks, and the OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Route

from worker.inbox.receiver.hook import Hook, Shared, refusal, unavailable
from worker.inbox.receiver.openapi import document
from worker.inbox.receiver.reading import Reader
from worker.store.redis.connection import ERRORS
from worker.store.redis.diagnosis import state_of
from worker.systems.webhook.contract import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from worker.store.inbox import Inbox
    from worker.systems.webhook.contract import Webhook


def service(senders: Sequence[Webhook], inbox: Inbox, most: int, seconds: float) -> Starlette:
    """Return the service that receives webhooks of `senders` for `inbox`. See `Reader` for `most` and `seconds`."""
    described = document(senders, most)

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_: Request) -> Response:
        try:
            reason = await run_in_threadpool(inbox.refusal)
        except ERRORS as error:
            reason = state_of(error).sentence
        return refusal(unavailable("away", reason)) if reason else JSONResponse({"status": "ok"})

    async def openapi(_: Request) -> Response:
        return JSONResponse(described)

    routes = [Route("/health", health), Route("/ready", ready), Route("/openapi.json", openapi)]
    shared = Shared(Reader(most, seconds))
    for sender in senders:
        hook = Hook(sender, inbox.push, shared)
        routes.append(Route(f"/hooks/{sender.name}", hook.answer, methods=["POST"]))
        if sender.sends_secret:
            routes.append(Route(f"/hooks/{sender.name}/{{token}}", hook.answer, methods=["POST"]))
    app = Starlette(routes=routes, exception_handlers={HTTPException: _refused})
    app.router.redirect_slashes = False
    return app


async def _refused(_: Request, error: Exception) -> Response:
    """Return the response for an unknown path or method."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    headers = getattr(error, "headers", None)
    return refusal(Refused(status, "unknown", "not here" if status == 404 else "not by this method", headers))  # noqa: PLR2004

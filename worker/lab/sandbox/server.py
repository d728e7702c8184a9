"""The HTTP server in front of the simulated systems: it enforces their limits and injects faults."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from aiohttp import web

from worker.lab.sandbox.admin import Admin
from worker.lab.sandbox.faults import RESPONSE_ONLY, Fault
from worker.lab.sandbox.system import NGINX_REASONS, Call, Response, System, web_page
from worker.lab.sandbox.wire import dump

if TYPE_CHECKING:
    from worker.lab.sandbox.world import World

_ADDRESS: Final = "X-Sandbox-Address"
_BLANKS: Final = b" " * 65536
#: `/system/account/...`: an empty piece before the first slash, and the two names.
_SHORTEST: Final = 3


class Server:
    """Handles every request; aiohttp's router and its middlewares are left out for speed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._admin = Admin(world)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Handle one request. The limit is checked before anything else."""
        now = time.monotonic()
        path, _, query = request.raw_path.partition("?")
        pieces = path.split("/")
        system = self._world.systems.get(pieces[1]) if len(pieces) >= _SHORTEST else None
        if system is None:
            return await self._handle_own(request, path, query)
        address = request.headers.get(_ADDRESS) or request.remote or ""
        account, method = pieces[2], request.method
        if not self._world.limits[system.name].take(address, now):
            response, fault = system.throttled(), None
        else:
            parts = tuple(map(unquote, pieces[3:])) if "%" in path else tuple(pieces[3:])
            op, _, _ = system.route(method, parts)
            fault = self._world.faults.draw(system.name, account, op)
            base = f"{request.scheme}://{request.host}/{system.name}/{account}"
            call = Call(method, account, parts, query, request.headers, await request.read(), base)
            response = await self._respond(system, call, op, fault)
        cut = fault is not None and fault.base in {"cut", "truncated"}
        self._world.journal.request(
            system.name,
            account,
            response.did,
            external_id=response.external_id,
            reference=response.reference,
            method=method,
            path=path,
            status=0 if cut else response.status,
            address=address,
            arrived=now,
            fault=None if fault is None else fault.kind,
        )
        if fault is not None and fault.base in RESPONSE_ONLY | {"cut"}:
            return await _send_spoiled(request, response, fault)
        return _web_response(response)

    async def _respond(self, system: System[Any], call: Call, op: str, fault: Fault | None) -> Response:
        """Do the work of a call, with the fault before or after it."""
        if fault is None:
            return self._work(system, call, op)
        if fault.after:
            response = self._work(system, call, op)
            if fault.base == "slow":
                await asyncio.sleep(fault.seconds)
            elif fault.base == "insert":
                await self._world.add_orders(system.name, call.account, {"count": 1})
            elif fault.base == "malformed":
                _break_record(response, fault, fault.field or system.fragile_field)
            return _replace(system, fault, response)
        if fault.base == "slow":
            await asyncio.sleep(fault.seconds)
            return self._work(system, call, op)
        return _replace(system, fault, Response(0, b"", "nothing"))

    @staticmethod
    def _work(system: System[Any], call: Call, op: str) -> Response:
        try:
            return system.respond(call, op)
        except Exception:  # noqa: BLE001  # a defect of the simulator must show in the journal, not as a cut connection
            traceback.print_exc(file=sys.stderr)
            return web_page(500, "crashed")

    async def _handle_own(self, request: web.BaseRequest, path: str, query: str) -> web.Response:
        """Handle a call of the simulator's own API."""
        status, body = 404, dump({"error": "no such system"})
        if path.startswith("/_sandbox/"):
            below = path.removeprefix("/_sandbox/")
            status, body = await self._admin.respond(request.method, below, query, await request.read())
        return web.Response(status=status, body=body, content_type="application/json")


def _web_response(response: Response) -> web.Response:
    headers = {"Content-Type": f"{response.content_type}; charset=utf-8", **(response.headers or {})}
    reason = NGINX_REASONS.get(response.status)
    return web.Response(status=response.status, body=response.body, headers=headers, reason=reason)


def _replace(system: System[Any], fault: Fault, response: Response) -> Response:
    """Return what the fault sends in place of `response`, with the same note about the order for the journal."""
    if fault.base == "html":
        page = web_page(200, response.did, "Please log in")
    elif fault.base.isdecimal():
        status = int(fault.base)
        page = system.refusal(status) if fault.code is None else system.refusal_of(status, fault.code)
        if fault.retry_after is not None:
            page.headers = {"Retry-After": fault.retry_after}
    else:
        return response
    page.did, page.external_id, page.reference = response.did, response.external_id, response.reference
    return page


def _break_record(response: Response, fault: Fault, field: str) -> None:
    if response.page_key is not None:
        page = json.loads(response.body)
        records = page[response.page_key]
        if fault.record < len(records):
            records[fault.record][field] = "?broken?"
            response.body = dump(page)


async def _send_spoiled(request: web.BaseRequest, response: Response, fault: Fault) -> web.StreamResponse:
    """Send a response in the way of its fault, so that it does not arrive as it should."""
    body, whole = response.body, _web_response(response)
    if fault.base == "cut":
        _abort(request)
    if fault.base not in {"drip", "oversize", "truncated"}:
        return whole
    stream = web.StreamResponse(status=whole.status, headers={"Content-Type": whole.headers["Content-Type"]})
    if fault.base != "oversize":
        stream.content_length = len(body)
    await stream.prepare(request)
    match fault.base:
        case "oversize":
            for _ in range(fault.size // len(_BLANKS) + 1):
                await stream.write(_BLANKS)
            await stream.write(body)
        case "truncated":
            await stream.write(body[: len(body) // 2])
            await asyncio.sleep(0.01)  # let the first half leave
            _abort(request)
        case _:
            for n in range(len(body)):
                await stream.write(body[n : n + 1])
                await asyncio.sleep(fault.seconds)
    return stream


def _abort(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()

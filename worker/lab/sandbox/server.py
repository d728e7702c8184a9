"""The HTTP server before the simulated systems: it keeps their limits and plays their faults."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import traceback
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from aiohttp import web

from worker.lab.sandbox.admin import Admin
from worker.lab.sandbox.faults import ANSWER_ONLY, Fault
from worker.lab.sandbox.system import Answer, Call, System, dump, phrase, web_page

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
        """One request. The limit is asked before anything else is looked at."""
        now = time.monotonic()
        path, _, query = request.raw_path.partition("?")
        pieces = path.split("/")
        system = self._world.systems.get(pieces[1]) if len(pieces) >= _SHORTEST else None
        if system is None:
            return await self._own(request, path, query)
        address = request.headers.get(_ADDRESS) or request.remote or ""
        account, method = pieces[2], request.method
        if not self._world.limits[system.name].take(address, now):
            answer, fault = system.throttled(), None
        else:
            parts = tuple(map(unquote, pieces[3:])) if "%" in path else tuple(pieces[3:])
            op = system.operation(method, parts)
            fault = self._world.faults.draw(system.name, account, op)
            base = f"{request.scheme}://{request.host}/{system.name}/{account}"
            call = Call(method, account, parts, query, request.headers, await request.read(), base)
            answer = await self._work(system, call, op, fault)
        cut = fault is not None and fault.base in {"cut", "truncated"}
        self._world.journal.request(
            system.name,
            account,
            method=method,
            path=path,
            did=answer.did,
            status=0 if cut else answer.status,
            address=address,
            arrived=now,
            external_id=answer.external_id,
            reference=answer.reference,
            fault=None if fault is None else fault.kind,
        )
        if fault is not None and fault.base in ANSWER_ONLY | {"cut"}:
            return await _Spoiled(request, answer, fault).send()
        return _response(answer)

    async def _work(self, system: System, call: Call, op: str, fault: Fault | None) -> Answer:
        """Have the call answered, with what the fault does before and after the work."""
        if fault is None:
            return self._answer(system, call, op)
        if fault.after:
            answer = self._answer(system, call, op)
            if fault.base == "slow":
                await asyncio.sleep(fault.seconds)
            elif fault.base == "insert":
                await self._world.add_orders(system.name, call.account, {"count": 1})
            elif fault.base == "malformed":
                _break_record(answer, fault, fault.field or system.fragile_field)
            return _instead(system, fault, answer)
        if fault.base == "slow":
            await asyncio.sleep(fault.seconds)
            return self._answer(system, call, op)
        return _instead(system, fault, Answer(0, b"", "nothing"))

    @staticmethod
    def _answer(system: System, call: Call, op: str) -> Answer:
        try:
            return system.answer(call, op)
        except Exception:  # noqa: BLE001  # a mistake of the sandbox must show in its journal, not as a cut connection
            traceback.print_exc(file=sys.stderr)
            return web_page(500, "crashed")

    async def _own(self, request: web.BaseRequest, path: str, query: str) -> web.Response:
        status, body = 404, dump({"error": "no such system"})
        if path.startswith("/_sandbox/"):
            below, given = path.removeprefix("/_sandbox/"), await request.read()
            status, body = await self._admin.answer(request.method, below, query, given)
        return web.Response(status=status, body=body, content_type="application/json")


def _response(answer: Answer) -> web.Response:
    headers = {"Content-Type": f"{answer.content_type}; charset=utf-8", **(answer.headers or {})}
    return web.Response(status=answer.status, body=answer.body, headers=headers, reason=phrase(answer.status))


def _instead(system: System, fault: Fault, answer: Answer) -> Answer:
    """What is sent in place of `answer`; what was done, and to which order, stays with it for the journal."""
    if fault.base == "html":
        page = web_page(200, answer.did, "Please log in")
    elif fault.base.isdecimal():
        status = int(fault.base)
        page = system.refusal(status) if fault.code is None else system.refusal_of(status, fault.code)
        if fault.retry_after is not None:
            page.headers = {"Retry-After": fault.retry_after}
    else:
        return answer
    page.did, page.external_id, page.reference = answer.did, answer.external_id, answer.reference
    return page


def _break_record(answer: Answer, fault: Fault, field: str) -> None:
    if answer.page_key is not None:
        page = json.loads(answer.body)
        records = page[answer.page_key]
        if fault.record < len(records):
            records[fault.record][field] = "?broken?"
            answer.body = dump(page)


class _Spoiled:
    """An answer that does not arrive as it should."""

    def __init__(self, request: web.BaseRequest, answer: Answer, fault: Fault) -> None:
        self._request, self._answer, self._fault = request, answer, fault

    async def send(self) -> web.StreamResponse:
        """Send it, each kind its own way."""
        body, base = self._answer.body, self._fault.base
        response = _response(self._answer)
        if base == "cut":
            self._abort()
            return response
        if base not in {"drip", "oversize", "truncated"}:
            return response
        stream = web.StreamResponse(status=response.status, headers={"Content-Type": response.headers["Content-Type"]})
        if base == "oversize":
            await stream.prepare(self._request)
            for _ in range(self._fault.size // len(_BLANKS) + 1):
                await stream.write(_BLANKS)
            await stream.write(body)
            return stream
        stream.content_length = len(body)
        await stream.prepare(self._request)
        if base == "truncated":
            await stream.write(body[: len(body) // 2])
            await asyncio.sleep(0.01)  # let the first half leave
            self._abort()
            return stream
        for n in range(len(body)):
            await stream.write(body[n : n + 1])
            await asyncio.sleep(self._fault.seconds)
        return stream

    def _abort(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()

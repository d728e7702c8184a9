"""The simulator's own API under `/_sandbox/`: it shows what the simulated systems hold, and changes it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from worker.lab.sandbox.faults import Fault
from worker.lab.sandbox.wire import dump

if TYPE_CHECKING:
    from worker.lab.sandbox.world import World


class Admin:
    """Handles the calls of the simulator's own API.

    - `GET journal?since=SEQ`, `GET stats`, `GET faults`
    - `GET {system}/{account}/orders`: `{"orders": [...]}`, each complete
    - `POST {system}/{account}/orders`: `{"count", "spread", "over", "missing_ids", "hidden"}` or `{"order": {...}}`
    - `POST {system}/{account}/orders/{id}/change`: the fields to set; or `{"deleted": true}`, `{"combinedTo": id}`
    - `POST faults`: `{"spec": "dropday:create:500_after:rate=0.02"}`, or its parts; `DELETE faults[?system=]`
    - `POST limits`: `{"retailcrm": 0.1, "dropday": 0}`
    """

    def __init__(self, world: World) -> None:
        self._world = world

    async def respond(self, method: str, path: str, query: str, body: bytes) -> tuple[int, bytes]:
        """Return the status and the body for one call; wrong input is a 400 with the reason."""
        parts = tuple(unquote(part) for part in path.strip("/").split("/"))
        try:
            return await self._dispatch(method, parts, dict(parse_qsl(query)), json.loads(body) if body else {})
        except (ValueError, TypeError, KeyError) as error:
            return 400, dump({"error": f"{type(error).__name__}: {error}"})

    async def _dispatch(  # noqa: PLR0911  # one return per path
        self, method: str, parts: tuple[str, ...], query: dict[str, str], body: Any
    ) -> tuple[int, bytes]:
        world = self._world
        match method, parts:
            case "GET", ("journal",):
                return 200, world.journal.since(int(query.get("since", "0"))).encode()
            case "GET", ("stats",):
                return 200, dump(world.stats())
            case "GET", ("faults",):
                return 200, dump({"faults": world.faults.report()})
            case "POST", ("faults",):
                world.faults.add(Fault.parse(body["spec"]) if "spec" in body else Fault.build(body))
                return 200, dump({"faults": world.faults.report()})
            case "DELETE", ("faults",):
                return 200, dump({"removed": world.faults.clear(query.get("system"))})
            case "POST", ("limits",):
                for name, window in body.items():
                    world.set_limit(name, float(window))
                return 200, dump({name: limit.window for name, limit in world.limits.items()})
            case _, (system, name, "orders", *rest) if world.account(system, name):
                return await self._orders(method, (system, name), rest, body)
        return 404, dump({"error": "no such path"})

    async def _orders(self, method: str, owner: tuple[str, str], rest: list[str], body: Any) -> tuple[int, bytes]:
        account = self._world.systems[owner[0]].accounts[owner[1]]
        match method, rest:
            case "GET", []:
                return 200, b'{"orders":[' + b",".join(account.stored()) + b"]}"
            case "POST", []:
                return 200, dump({"ids": await self._world.add_orders(*owner, body)})
            case "POST", [order_id, "change"]:
                return (200, dump({})) if account.change(order_id, body) else (404, dump({"error": "no such order"}))
        return 404, dump({"error": "no such path"})

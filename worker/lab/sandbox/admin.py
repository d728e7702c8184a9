"""The sandbox's own API under `/_sandbox/`: to look behind the simulated systems, and to stir them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from worker.lab.sandbox.faults import Fault
from worker.lab.sandbox.system import dump

if TYPE_CHECKING:
    from worker.lab.sandbox.world import World


class Admin:
    """Answers (status, body).

    - `GET journal?since=SEQ`, `GET stats`, `GET faults`
    - `GET {system}/{account}/orders`: `{"orders": [...]}`, whole
    - `POST {system}/{account}/orders`: `{"count", "spread", "over", "missing_ids", "hidden"}` or `{"order": {...}}`
    - `POST {system}/{account}/orders/{id}/change`: the fields to set; or `{"deleted": true}`, `{"combinedTo": id}`
    - `POST faults`: `{"spec": "dropday:create:500_after:rate=0.02"}`, or its parts; `DELETE faults[?system=]`
    - `POST limits`: `{"retailcrm": 0.1, "dropday": 0}`
    """

    def __init__(self, world: World) -> None:
        self._world = world

    async def answer(self, method: str, path: str, query: str, body: bytes) -> tuple[int, bytes]:
        """Answer one call; wrong input is a 400 with the reason."""
        parts = tuple(unquote(part) for part in path.strip("/").split("/"))
        try:
            given = json.loads(body) if body else {}
            return await self._answer(method, parts, dict(parse_qsl(query)), given)
        except (ValueError, TypeError, KeyError) as error:
            return 400, dump({"error": f"{type(error).__name__}: {error}"})

    async def _answer(  # noqa: PLR0911  # one return per path
        self, method: str, parts: tuple[str, ...], query: dict[str, str], given: Any
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
                world.faults.add(Fault.read(given["spec"]) if "spec" in given else Fault.build(given))
                return 200, dump({"faults": world.faults.report()})
            case "DELETE", ("faults",):
                return 200, dump({"removed": world.faults.clear(query.get("system"))})
            case "POST", ("limits",):
                for name, window in given.items():
                    world.limit(name, float(window))
                return 200, dump({name: limit.window for name, limit in world.limits.items()})
            case _, (system, name, "orders", *rest) if world.account(system, name):
                return await self._orders(method, (system, name), rest, given)
        return 404, dump({"error": "no such path"})

    async def _orders(self, method: str, where: tuple[str, str], rest: list[str], given: Any) -> tuple[int, bytes]:
        account = self._world.systems[where[0]].accounts[where[1]]
        match method, rest:
            case "GET", []:
                return 200, b'{"orders":[' + b",".join(account.stored()) + b"]}"
            case "POST", []:
                return 200, dump({"ids": await self._world.add_orders(*where, given)})
            case "POST", [order_id, "change"]:
                return (200, dump({})) if account.change(order_id, given) else (404, dump({"error": "no such order"}))
        return 404, dump({"error": "no such path"})

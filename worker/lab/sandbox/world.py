"""Everything that one process simulates: systems, accounts, limits, faults, and the source of new orders."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any, Final

from worker.lab.sandbox import spec
from worker.lab.sandbox.drafts import DraftFactory
from worker.lab.sandbox.dropboy.api import Dropboy
from worker.lab.sandbox.dropday.api import Dropday
from worker.lab.sandbox.dropstream.api import Dropstream
from worker.lab.sandbox.faults import Faults
from worker.lab.sandbox.limits import LeakyBucket
from worker.lab.sandbox.ordercloud.api import OrderCloud
from worker.lab.sandbox.retailcrm.api import Retailcrm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.lab.sandbox.drafts import Draft
    from worker.lab.sandbox.journal import Journal
    from worker.lab.sandbox.system import Account, System

#: The simulated systems; register a new one here and in essence.py.
SYSTEMS: Final[dict[str, type[System[Any]]]] = {
    "retailcrm": Retailcrm,
    "dropday": Dropday,
    "dropstream": Dropstream,
    "dropboy": Dropboy,
    "ordercloud": OrderCloud,
}
#: Bulk work yields to other tasks after so many orders (a few milliseconds), or waiting calls would look like a burst.
_SLICE: Final = 20
_DAY: Final = 86400.0


class World:
    """The simulated systems that the server serves, and everything that can be set about them."""

    def __init__(self, names: list[str], seed: int, journal: Journal) -> None:
        for name in names:
            if name not in SYSTEMS:
                raise ValueError(f"{name}: no such system; there are {', '.join(SYSTEMS)}")
        self.journal = journal
        self.systems = {name: SYSTEMS[name](journal) for name in names}
        self.limits = {name: LeakyBucket(system.default_window) for name, system in self.systems.items()}
        self.faults = Faults(random.Random(f"{seed}:faults"))
        for name, limit in self.limits.items():
            journal.limit(name, limit.calls, limit.window)
        self._seed = seed
        self._factories: dict[tuple[str, str], DraftFactory] = {}
        self._background: set[asyncio.Task[None]] = set()

    def read_limit(self, text: str) -> None:
        """Set a limit from `system=seconds` (between two calls), `system=calls/seconds` or `system=off`."""
        name, _, limit = text.partition("=")
        if name not in self.systems:
            raise ValueError(f"{text!r}: {name!r} is not simulated")
        calls, slash, window = limit.partition("/")
        if not slash:
            calls, window = "1", "0" if limit == "off" else limit
        self.set_limit(name, float(window), int(calls))

    def set_limit(self, name: str, window: float, calls: int = 1) -> None:
        """Accept so many calls of one address to a system in any window of so many seconds, from now on."""
        if calls < 1:
            raise ValueError(f"{calls} calls are no limit")
        self.limits[name].window, self.limits[name].calls = window, calls
        self.journal.limit(name, calls, window)

    async def open_account(self, text: str) -> None:
        """Open an account from `system:account:key=value:...`.

        `orders=N`, `spread=SECONDS`, `missing_ids=SHARE` and `fractions=SHARE` (of lines with a fractional quantity)
        fill it with orders; `hidden=N` adds history that is never shown before the last of them. The system reads the
        other options.
        """
        (system, name), options = spec.parse(text, 2)
        if system not in self.systems:
            raise ValueError(f"{text!r}: {system!r} is not simulated")
        count, hidden = int(options.pop("orders", "0")), int(options.pop("hidden", "0"))
        spread, missing = float(options.pop("spread", _DAY)), float(options.pop("missing_ids", "0.01"))
        fractions = float(options.pop("fractions", "0.04"))
        account = self.systems[system].open_account(name, options)
        if options:
            raise ValueError(f"unknown option: {', '.join(sorted(options))}")
        factory = DraftFactory(random.Random(f"{self._seed}:{system}:{name}"), fractions)
        self._factories[system, name] = factory
        moments = factory.moments(count, time.time(), spread)
        for n, draft in enumerate(factory.make(moments, account.prefix, missing)):
            if hidden and n == count - 1:
                account.hide(hidden)
            account.add(draft, draft.created)

    def account(self, system: str, name: str) -> Account | None:
        """Return the account of that name, if there is one."""
        return self.systems[system].accounts.get(name) if system in self.systems else None

    async def add_orders(self, system: str, name: str, request: dict[str, Any]) -> list[str]:
        """Add orders now, or during the next `over` seconds.

        `request`: `count`, `spread` (they were placed within so many seconds before now), `missing_ids` (share without
        an external id), `hidden` (history that is never shown, before them), or one `order` in the system's own format.
        Return their ids, or none if they are added during `over` seconds.
        """
        account = self.systems[system].accounts[name]
        if "order" in request:
            return [account.add_raw(request["order"])]
        if "hidden" in request:
            account.hide(int(request["hidden"]))
        factory = self._factories[system, name]
        moments = factory.moments(int(request.get("count", 0)), time.time(), float(request.get("spread", 0)))
        drafts = factory.make(moments, account.prefix, float(request.get("missing_ids", 0.01)))
        pause = float(request.get("over", 0)) / max(1, len(moments))
        if not pause:
            ids = []
            for n, draft in enumerate(drafts, 1):
                ids.append(account.add(draft))
                if n % _SLICE == 0:
                    await asyncio.sleep(0)
            return ids
        task = asyncio.create_task(_trickle(account, drafts, pause))
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return []

    def stats(self) -> dict[str, Any]:
        """Return by system: the counts of its limit, how often each thing was done, the orders of each account."""
        return {
            name: {
                **self.limits[name].report(),
                "did": self.journal.tally(name),
                "orders": {key: account.count() for key, account in system.accounts.items()},
            }
            for name, system in self.systems.items()
        }


async def _trickle(account: Account, drafts: Iterator[Draft], pause: float) -> None:
    """Add one order every `pause` seconds, placed at the moment it is added."""
    start = time.monotonic()
    for n, draft in enumerate(drafts, 1):
        draft.created = int(time.time())
        account.add(draft)
        await asyncio.sleep(start + n * pause - time.monotonic())

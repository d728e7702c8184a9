"""All that is simulated by one process: systems, accounts, limits, faults, and where new orders come from."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any, Final

from worker.lab.sandbox import spec
from worker.lab.sandbox.dropboy.api import Dropboy
from worker.lab.sandbox.dropday.api import Dropday
from worker.lab.sandbox.dropstream.api import Dropstream
from worker.lab.sandbox.faults import Faults
from worker.lab.sandbox.limits import LeakyBucket
from worker.lab.sandbox.ordercloud.api import OrderCloud
from worker.lab.sandbox.orders import Orders
from worker.lab.sandbox.retailcrm.account import RetailcrmAccount
from worker.lab.sandbox.retailcrm.api import Retailcrm

if TYPE_CHECKING:
    from worker.lab.sandbox.journal import Journal
    from worker.lab.sandbox.system import Account, System

#: A new system is one line here.
SYSTEMS: Final[dict[str, type[System]]] = {
    "retailcrm": Retailcrm,
    "dropday": Dropday,
    "dropstream": Dropstream,
    "dropboy": Dropboy,
    "ordercloud": OrderCloud,
}
#: Bulk work gives way after so many orders (a few milliseconds), lest calls pile up and seem to come in a burst.
_SLICE: Final = 20
_A_DAY: Final = 86400.0


class World:
    """What the server serves."""

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
        self._supplies: dict[tuple[str, str], Orders] = {}
        self._background: set[asyncio.Task[None]] = set()

    def set_limit(self, text: str) -> None:
        """From `system=seconds` (between two calls), `system=calls/seconds` or `system=off`."""
        name, _, limit = text.partition("=")
        if name not in self.systems:
            raise ValueError(f"{text!r}: {name!r} is not simulated")
        calls, slash, window = limit.partition("/")
        if not slash:
            calls, window = "1", "0" if limit == "off" else limit
        self.limit(name, float(window), int(calls))

    def limit(self, name: str, window: float, calls: int = 1) -> None:
        """Let a system take so many calls of one address in any window, from now on."""
        if calls < 1:
            raise ValueError(f"{calls} calls are no limit")
        self.limits[name].window, self.limits[name].calls = window, calls
        self.journal.limit(name, calls, window)

    async def open_account(self, text: str) -> None:
        """From `system:account:key=value:...`.

        `orders=N`, `spread=SECONDS`, `missing_ids=SHARE` and `fractions=SHARE` (lines of half a piece and such) fill
        it; `hidden=N` puts a stretch of history that nobody is shown before the last of these orders; the other options
        are the system's.
        """
        (system, name), options = spec.parse(text, 2)
        if system not in self.systems:
            raise ValueError(f"{text!r}: {system!r} is not simulated")
        count, hidden = int(options.pop("orders", "0")), int(options.pop("hidden", "0"))
        spread, missing = float(options.pop("spread", _A_DAY)), float(options.pop("missing_ids", "0.01"))
        fractions = float(options.pop("fractions", "0.04"))
        account = self.systems[system].open_account(name, options)
        spec.finish(options)
        chance = random.Random(f"{self._seed}:{system}:{name}")
        supply = self._supplies[system, name] = Orders(chance, fractions)
        times = supply.times(count, time.time(), spread)
        for n, draft in enumerate(supply.make(times, account.prefix, missing)):
            if hidden and n == count - 1:
                self.hide(account, hidden)
            account.add(draft, draft.created)

    def account(self, system: str, name: str) -> Account | None:
        """The account of that name, if there is one."""
        found = self.systems.get(system)
        return found.accounts.get(name) if found else None

    @staticmethod
    def hide(account: Account, count: int) -> None:
        """Add history that is counted but not shown."""
        if not isinstance(account, RetailcrmAccount):
            raise TypeError("only retailcrm has a history")
        account.hide(count)

    async def add_orders(self, system: str, name: str, wish: dict[str, Any]) -> list[str]:
        """Add orders now, or `over` some seconds from now on.

        `wish`: `count`, `spread` (they were placed within so many seconds before now), `missing_ids` (share without
        an external id), `hidden` (history that is not shown, before them), or one `order` in the system's own words.
        Returns their ids; none, if they come `over` time.
        """
        account = self.systems[system].accounts[name]
        if "order" in wish:
            return [account.add_raw(wish["order"])]
        if "hidden" in wish:
            self.hide(account, int(wish["hidden"]))
        supply = self._supplies[system, name]
        times = supply.times(int(wish.get("count", 0)), time.time(), float(wish.get("spread", 0)))
        drafts = supply.make(times, account.prefix, float(wish.get("missing_ids", 0.01)))
        pause = float(wish.get("over", 0)) / max(1, len(times))
        if not pause:
            ids = []
            for n, draft in enumerate(drafts, 1):
                ids.append(account.add(draft))
                if n % _SLICE == 0:
                    await asyncio.sleep(0)
            return ids

        async def trickle() -> None:
            start = time.monotonic()
            for n, draft in enumerate(drafts, 1):
                draft.created = int(time.time())
                account.add(draft)
                await asyncio.sleep(start + n * pause - time.monotonic())

        task = asyncio.create_task(trickle())
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return []

    def stats(self) -> dict[str, Any]:
        """By system: what the limit saw, how often each thing was done, how many orders each account holds."""
        return {
            name: {
                **self.limits[name].report(),
                "did": self.journal.tally(name),
                "orders": {key: account.count() for key, account in system.accounts.items()},
            }
            for name, system in self.systems.items()
        }

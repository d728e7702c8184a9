"""The events around an installation: orders arrive and change, large faults happen, operators resume accounts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from simulation.adapters import content
from simulation.apis import Violation
from simulation.calamities import Calamities
from worker.store.redis import keys

if TYPE_CHECKING:
    from simulation.apis import ShopApi
    from simulation.world import World

#: Seconds within which a history must finish all its work.
PATIENCE = 6 * 3600.0
#: What the note of an order begins with, and how often: "cancelled" and "test" orders are left out.
_NOTES: Final = {"fine": 84, "refused": 4, "unmapped": 3, "bad": 3, "cancelled": 4, "test": 2}
#: Seconds that a response takes.
FAST = (0.02, 0.2)


class Director:
    """Runs a world for some time with faults, then lets it finish all its work."""

    def __init__(self, world: World) -> None:
        self._world, self._rng = world, world.stream("director")
        random_gap = 10 ** self._rng.uniform(0.3, 1.8)
        self._gap = world.pace.gap or random_gap
        self._pushes = self._rng.random() < 0.6
        self.calamities = Calamities(world, self._rng)
        self._wait = world.scheduler.wait
        self.orders = 0
        for api in world.network.apis.values():
            api.pace = self._rng.choice([FAST, FAST, (0.2, 2.0), (2.0, 12.0)])

    def run(self, seconds: float) -> None:
        """Run for `seconds` with faults, then without faults until nothing is left to do."""
        world = self._world
        world.start()
        until = world.now() + int(seconds * 1e6)
        self._wait(1)
        world.faults.on = True
        next_fault = world.now() + self._draw_delay()
        while world.now() < until:
            self._wait(self._rng.expovariate(1 / self._gap))
            self._trade()
            if world.now() >= next_fault and world.faults.great:
                self.calamities.befall(self._rng.choice(world.faults.great))
                next_fault = world.now() + self._draw_delay()
            if self._rng.random() < 0.05:
                self._repair()
        self.finish()

    def finish(self) -> None:
        """Run without faults until nothing is left to do; raise Violation if work or errors remain."""
        world = self._world
        world.faults.on = False
        world.tell("all faults end")
        world.network.away, world.server.full = "", False
        for api in world.network.apis.values():
            api.down_until, api.pace = 0, FAST
        self._repair()
        began, quiet = world.now(), 0
        until = began + int(PATIENCE * 1e6)
        while quiet < 2:
            self._wait(20)
            world.checks.check_progress(began)
            busy = world.checks.busy()
            quiet = 0 if busy else quiet + 1
            if world.now() > until:
                raise Violation(f"after {PATIENCE / 3600:g} hours without faults: {busy}")
        world.checks.check_finished()
        world.tell("all work is done, and every check passed")

    # Orders

    def _trade(self) -> None:
        name = self._rng.choice(sorted(self._world.shops))
        shop = self._world.shops[name]
        burst = self._rng.choice([1, 1, 1, 1, 2, 3, 30]) if self._rng.random() < 0.1 else 1
        for _ in range(burst):
            ids = sorted(shop.orders)
            if ids and self._rng.random() < 0.3:
                external_id = self._rng.choice(ids[-20:])
            else:
                self.orders += 1
                external_id = f"{self.orders:05}"
            note = self._rng.choices(list(_NOTES), list(_NOTES.values()))[0]
            # With only five notes, an order sometimes returns to a former content.
            raw = shop.write(external_id, f"{note} {self._rng.randrange(5)}")
            self._world.tell(f"{name} has {external_id} version {raw['version']} {raw['note']}")
            if (
                self._pushes
                and not self._world.network.away
                and not self._world.server.full
                and self._rng.random() < 0.4
            ):
                self._push(name, shop, external_id)

    def _push(self, name: str, shop: ShopApi, external_id: str) -> None:
        """Push an order, in its current or a former version."""
        raw = self._rng.choice(shop.orders[external_id])
        kind = self._rng.choice(["record", "order", "external_id"])
        value = {"record": raw, "order": content(name, raw), "external_id": external_id}[kind]
        if raw["note"].startswith("bad"):
            kind, value = "external_id", external_id
        job = json.dumps({"v": 1, "provider": name, kind: value})
        self._world.tell(f"pushed: {kind} {external_id} version {raw['version']}")
        self._world.server.run(b"LPUSH", b"intake:inbox", job.encode())

    # Faults of the installation

    def _draw_delay(self) -> int:
        return int(self._rng.uniform(*self._world.pace.great) * 1e6)

    def _repair(self) -> None:
        """Resume every paused account, as an operator does."""
        server = self._world.server
        if self._world.network.away:
            return
        for name in self._world.shops:
            server.run(b"HDEL", keys.cursor(name).encode(), b"paused")
        for name in self._world.depots:
            server.run(b"HDEL", keys.LaneKeys.of(name).lane.encode(), b"paused")
        self._world.tell("every paused account is resumed")

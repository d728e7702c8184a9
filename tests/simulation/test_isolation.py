"""A system that hangs does not delay the others: the orders of other lanes arrive in their usual time."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from simulation.apis import DepotApi
from simulation.scheduler import BEGIN
from simulation.seams import seams
from simulation.world import World

if TYPE_CHECKING:
    import pytest

#: Seconds that a delivery usually takes in addition to the poll interval: a tick, a nudge, the calls, the limit.
USUAL = 10.0


def spacious_world() -> World:
    """Return a world with several targets, a process for each account, and no random faults."""
    worlds = (World(seed) for seed in count(1))
    return next(w for w in worlds if len(w.depots) > 1 and len(w.shops) == 1 and w.house.room and w.house.pool > 3)


def test_a_target_that_hangs_delays_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    world = spacious_world()
    (shop,), (*others, hanging) = world.shops.values(), world.depots.values()

    def hang(*call: Any) -> Any:
        return DepotApi.arrive(hanging, *call)[0], 29.0

    monkeypatch.setattr(hanging, "arrive", hang)
    written: dict[str, int] = {}
    with seams(world.scheduler, world.stream("ids"), world.wire, None):
        world.start()
        for number in range(90):
            world.scheduler.wait(2)
            shop.write(str(number), "fine 0")
            written[f"shop:{number}"] = world.now()
        account = world.house.settings.providers["shop"]
        world.scheduler.wait(account.poll_every + 2 * USUAL)
        world.scheduler.end()
    assert world.now() > BEGIN
    assert 0 < len(hanging.made) < 90
    for depot in others:
        took = {key: (depot.made[key][0].at - at) / 1e6 for key, at in written.items()}
        assert max(took.values()) < account.poll_every + USUAL, took

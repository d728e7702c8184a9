"""A ledger that forgets, settings that change, and clocks that step: bugs in what then keeps the promises are found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import tasks.accept
import worker.settings.registered
from model.depot import Traits
from model.ground import stepped_source
from model.machine import Machine
from model.test_planted import in_lua
from support.renaming import change_template, rename
from worker.store.orders.drains import Outcome
from worker.store.redis import scripts

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis


class Directed(Machine):
    """The machine, whose steps are chosen by hand."""

    last: Machine

    def settle_all(self) -> None:
        """Settle what the slow drain has claimed."""
        slow = self.slow.pop()
        states = slow.drain.settle((claim, Outcome("release")) for claim in slow.claims)
        assert "refused" not in states, "a live drain was refused"


def clock_of_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the clock of Redis as it is."""
    own, raw = "local now = raw + ahead", "local now = raw"
    assert own in stepped_source("now")
    monkeypatch.setattr(scripts, "lua_source", lambda name: stepped_source(name).replace(own, raw))


def names_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the names that the settings have now as those of the ledger."""
    monkeypatch.setattr(worker.settings.registered, "under_ledger_names", lambda settings, *_: settings)


def one_template(monkeypatch: pytest.MonkeyPatch) -> None:
    """Search for orders by the present template only."""
    monkeypatch.setattr(tasks.accept, "former_references", lambda *_: ())


#: What happens between a delivery and the search for it by another server, which has forgotten the delivery.
_FORGOTTEN: list[tuple[Any, ...]] = [
    ("poll", "", ""),
    ("fall_behind",),
    ("deliver", [], ""),
    ("fail_over",),
    ("deliver", [], ""),
]
#: Each bug, the steps of the machine that show it, and what the machine reports.
PLANTS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], list[tuple[Any, ...]], str]] = {
    "orders that were forgotten are sent without a search": (
        in_lua("claim", "if since and not known[4]", "if false and not known[4]"),
        _FORGOTTEN,
        "created more than once",
    ),
    "another server is not recognised": (
        in_lua("claim", "(known and id and known ~= id)", "false"),
        _FORGOTTEN,
        "created more than once",
    ),
    "the cursor passes a page that was forgotten": (
        in_lua("advance", "redis.call('SCARD', receipts) < tonumber(receipt_count)", "false"),
        [("poll", "", "forgotten")],
        "was not accepted",
    ),
    "a lost ledger searches by the present template only": (
        one_template,
        [("work",), ("change_settings", change_template, 0), ("lose_redis",), ("work",)],
        "created more than once",
    ),
    "an order that is known gets a new reference": (
        in_lua("accept", "'change', change)", "'change', change, 'reference', reference)"),
        [("work",), ("change_settings", change_template, 0), ("write", "a", "finer"), ("work",)],
        "and changed as",
    ),
    "a renamed provider is another one": (
        names_of_the_file,
        [("change_settings", rename, 1), ("work",)],
        "KeyError: 'shop'",
    ),
    "a renamed target is another one": (
        names_of_the_file,
        [("change_settings", rename, 0), ("work",)],
        "KeyError: 't-1'",
    ),
    "the clock of Redis ends leases": (
        clock_of_redis,
        [("poll", "", ""), ("claim", 1), ("step_clock", 2.0), ("sweep",), ("settle_all",)],
        "a live drain was refused",
    ),
}


def follow(machine: Directed, steps: list[tuple[Any, ...]]) -> str:
    """Take these steps, let everything run, and return the first error; "" if there is none."""
    try:
        for name, *arguments in steps:
            getattr(machine, name)(*arguments)
            machine.holds()
        machine.teardown()
    except (AssertionError, KeyError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


@pytest.mark.parametrize("planted", [True, False])
@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_bug_is_found(
    redis: Redis, raw: Redis, monkeypatch: pytest.MonkeyPatch, plant: str, *, planted: bool
) -> None:
    change, steps, reported = PLANTS[plant]
    if planted:
        change(monkeypatch)
    machine = Directed(redis, raw)
    machine.start(Traits(updates=True), "update", [], old=True)
    machine.work()
    machine.write("a", "fine")
    error = follow(machine, steps)
    assert reported in error if planted else not error, error

"""Bugs to plant: each breaks one promise, and the simulation must find it."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import tasks.accept
import tasks.attempt
import tasks.poll
import worker.settings.registered
from worker.store.orders.drains import Outcome
from worker.store.redis.lua_source import lua_names, lua_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulation.world import World


def _script(name: str, old: str, new: str) -> Callable[[World], None]:
    source = lua_source(name)
    assert old in source
    return lambda world: world.server.plant(name, source.replace(old, new))


def _often(change: Callable[[World], None], *faults: str) -> Callable[[World], None]:
    """Return the change with only these faults of the installation, one after the other: they reveal it."""

    def plant(world: World) -> None:
        change(world)
        world.faults.great, world.pace = list(faults), replace(world.pace, great=(3.0, 15.0))

    return plant


@contextlib.contextmanager
def late_settles() -> Iterator[Callable[[World], None]]:
    """Let a drain write after its lease has ended."""
    old = "if not live or redis.call('SREM', claims, key) == 0 then"
    yield _script("settle", old, "redis.call('SREM', claims, key)\n  if false then")


@contextlib.contextmanager
def send_without_search() -> Iterator[Callable[[World], None]]:
    """Send an order that may have been sent again without a search."""
    with patch.object(tasks.attempt, "_find", lambda *_: Outcome("release")):
        yield lambda _: None


@contextlib.contextmanager
def cursor_first() -> Iterator[Callable[[World], None]]:
    """Move the cursor before the page is accepted."""
    accept = tasks.poll.accept_page

    def early(rt: Any, dead: Any, provider: Any, page: Any, nudge: Any) -> Any:
        run = dead._keep.__self__  # the poll
        run.advance(page.cursor, more=page.more, records=len(page.records))
        return accept(rt, dead, provider, page, nudge)

    with patch.object(tasks.poll, "accept_page", early):
        yield lambda _: None


@contextlib.contextmanager
def late_sweep() -> Iterator[Callable[[World], None]]:
    """Free the orders of a dead drain a lease too late."""
    yield _script("sweep", "'(' .. (now - lease_ms)", "'(' .. (now - 2 * lease_ms)")


@contextlib.contextmanager
def no_limit() -> Iterator[Callable[[World], None]]:
    """Hand out slots without spacing, and let every call leave at once."""
    slots = _script("reserve", "local slot = admit(now, now)", "local slot = now")
    departure = _script("depart", "local leave = math.max(now, due)", "local leave = now")

    def open_both(world: World) -> None:
        slots(world)
        departure(world)

    yield open_both


@contextlib.contextmanager
def older_wins() -> Iterator[Callable[[World], None]]:
    """Let an older version replace a newer one."""
    yield _script("accept", "if older then return 'stale' end", "")


@contextlib.contextmanager
def no_trace_of_left_out() -> Iterator[Callable[[World], None]]:
    """Forget the version of an order that no route wants."""
    yield _script("accept", "    bury_version(key, version)\n    return", "    return")


@contextlib.contextmanager
def no_search_after_a_loss() -> Iterator[Callable[[World], None]]:
    """Let a new ledger send unknown orders without a search."""
    yield _script("accept", "if search or former ~= '' or must_ask(placed) then", "if false then")


@contextlib.contextmanager
def no_quarantine() -> Iterator[Callable[[World], None]]:
    """Let a new ledger send at once, while orders of the lost one are still on their way."""
    yield _script("claim", "if wait > 0 then", "if false then")


@contextlib.contextmanager
def change_forgotten() -> Iterator[Callable[[World], None]]:
    """Forget that an order changed while it was being sent."""
    yield _script("settle", "known.left_out or known.fingerprint ~= fingerprint", "known.left_out")


@contextlib.contextmanager
def claims_stay_queued() -> Iterator[Callable[[World], None]]:
    """Leave claimed orders in the queue."""
    yield _script("claim", "    redis.call('ZREM', due, key)\n", "")


@contextlib.contextmanager
def clock_of_redis() -> Iterator[Callable[[World], None]]:
    """Let every script use the clock of Redis as it is."""
    own = lua_source("ledger_time")
    raw = "local function ledger_time() return redis.call('TIME') end"

    def plant(world: World) -> None:
        for name in lua_names():
            if own in (source := lua_source(name)):
                world.server.plant(name, source.replace(own, raw))

    yield _often(plant, "clock of redis")


@contextlib.contextmanager
def no_receipts() -> Iterator[Callable[[World], None]]:
    """Move the cursor although the accepted page may be forgotten."""
    plant = _script("advance", "redis.call('SCARD', receipts) < tonumber(receipt_count)", "false")
    yield _often(plant, "failover")


@contextlib.contextmanager
def no_eras() -> Iterator[Callable[[World], None]]:
    """Do not notice that another server took over."""
    scripts = [_script(name, "(known and id and known ~= id)", "false") for name in ("accept", "claim", "sweep")]

    def plant(world: World) -> None:
        for script in scripts:
            script(world)

    yield _often(plant, "failover")


@contextlib.contextmanager
def names_of_the_file() -> Iterator[Callable[[World], None]]:
    """Use the names that the settings have now as those of the ledger."""
    with patch.object(worker.settings.registered, "under_ledger_names", lambda settings, *_: settings):
        yield _often(lambda _: None, "other settings")


@contextlib.contextmanager
def one_template() -> Iterator[Callable[[World], None]]:
    """Search for orders by the present template only."""
    with patch.object(tasks.accept, "former_references", lambda *_: ()):
        yield _often(lambda _: None, "other settings", "flush")


PLANTS = (
    late_settles,
    send_without_search,
    cursor_first,
    late_sweep,
    no_limit,
    older_wins,
    no_trace_of_left_out,
    no_search_after_a_loss,
    no_quarantine,
    change_forgotten,
    claims_stay_queued,
    clock_of_redis,
    no_receipts,
    no_eras,
    names_of_the_file,
    one_template,
)

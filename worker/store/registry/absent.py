"""Accounts that are not in the settings any more: what waits for them, and giving that up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from worker.store.redis import catalog, keys
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis import Redis

    from worker.store.registry.registry import AccountKey, Role

#: Orders in one call.
_CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class Absent:
    """What the ledger has of an account that is not in the settings."""

    role: Role
    name: str
    #: Whether orders were read from it, or accepted for it, at all.
    used: bool
    #: Of a target, orders that are to be sent, dead, in doubt, and held; of a provider, orders that are to be fetched,
    #: and records that could not be read.
    waiting: int = 0
    dead: int = 0
    in_doubt: int = 0
    held: int = 0

    @property
    def facts(self) -> str:
        """What waits, in words."""
        words = ("to be sent", "dead", "in doubt", "held") if self.role == "target" else ("to be fetched", "unreadable")
        counts = zip((self.waiting, self.dead, self.in_doubt, self.held), words, strict=False)
        return ", ".join(f"{count} {word}" for count, word in counts if count) or "nothing waits"


def read_absent(redis: Redis, accounts: Iterable[AccountKey]) -> list[Absent]:
    """Return what the ledger has of each account, in one round trip."""
    names = list(accounts)
    with redis.pipeline(transaction=False) as pipe:
        for role, name in names:
            if role == "target":
                k = keys.LaneKeys.of(name)
                pipe.exists(k.lane)
                for each in (k.due, k.dead, k.doubt, k.held):
                    pipe.zcard(each)
            else:
                pipe.exists(keys.cursor(name), keys.arrivals(name))
                pipe.zcard(keys.fetches(name))
                pipe.hlen(keys.malformed(name))
        counts = iter([int(count) for count in pipe.execute()])
    sizes = {"target": 4, "provider": 2}
    return [Absent(role, name, bool(next(counts)), *(next(counts) for _ in range(sizes[role]))) for role, name in names]


def give_up(redis: Redis, role: Role, name: str) -> int:
    """Give up what waits for the account; return how many orders were given up. What was delivered stays known."""
    if role == "provider":
        redis.delete(
            keys.fetches(name),
            keys.fetch_tries(name),
            keys.fetch_places(name),
            keys.malformed(name),
            keys.backfill(name),
        )
        return 0
    k, scripts, count = keys.LaneKeys.of(name), Scripts(redis), 0
    for waiting in (k.due, k.dead, k.doubt, k.held):
        while order_keys := cast("list[str]", redis.zrange(waiting, 0, _CHUNK - 1)):
            count += scripts(
                catalog.FORGET,
                order_keys,
                due=k.due,
                dead=k.dead,
                doubt=k.doubt,
                held=k.held,
                lane=k.lane,
                keep_history_ms=keys.KEEP_HISTORY_MS,
                **k.prefixes,
            )
    return count

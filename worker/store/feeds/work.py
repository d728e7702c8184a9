"""The work that providers have: polls, fetches and backfills that may begin or continue now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from worker.store.redis import catalog, keys
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from redis import Redis

#: Providers in one call, so that it does not occupy Redis for more than a millisecond or two.
_CHUNK: Final = 200
#: The tasks by their bits in the response of the script.
_TASKS: Final = {2: "poll", 4: "fetch", 8: "backfill"}


def read_work(redis: Redis, providers: Mapping[str, float]) -> dict[str, list[str]]:
    """Return by provider the tasks that have work ("poll", "fetch", "backfill"). End the pauses whose time is over.

    It takes two round trips for up to 200 providers, each given with the seconds from one poll to the next: a poll that
    beat asked for too early, because the one before it had begun late, is not put off until beat asks again.
    """
    scripts, all_ = Scripts(redis), list(providers.items())
    found = [work for at in range(0, len(all_), _CHUNK) for work in _read(scripts, dict(all_[at : at + _CHUNK]))]
    with redis.pipeline(transaction=False) as pipe:
        over = [name for name, work in zip(providers, found, strict=True) if work & 1]
        for name in over:
            scripts.enqueue(pipe, catalog.UNPAUSE, hash=keys.cursor(name))
        resumed = {name for name, ended in zip(over, scripts.execute(pipe), strict=True) if ended}
    return {
        name: [task for bit, task in _TASKS.items() if work & bit or (task == "poll" and name in resumed)]
        for name, work in zip(providers, found, strict=True)
    }


def _read(scripts: Scripts, providers: Mapping[str, float]) -> Iterator[int]:
    yield from scripts(
        catalog.WORK,
        [value for name, every in providers.items() for value in (name, round(every * 1000))],
        cursor_prefix=keys.cursor(""),
        poll_prefix=keys.poll(""),
        fetch_prefix=keys.fetches(""),
        backfill_prefix=keys.backfill(""),
        backfilling_prefix=keys.backfilling(""),
    )

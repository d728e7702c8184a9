"""Scripts of many threads that are called at about the same time, in one round trip."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from redis import Redis

    from worker.store.redis.catalog import Argument, Script

#: Seconds for which the first caller waits for others.
GATHER: Final = 0.05


@dataclass(frozen=True, slots=True)
class _Call:
    script: Script
    items: Sequence[Argument]
    named: Mapping[str, Argument]
    done: Future[tuple[float, Any]] = field(default_factory=Future)


class GatheredScripts(Scripts):
    """Scripts for hundreds of threads that each run few: `intake check` asks all accounts at the same time.

    The first caller waits for `GATHER` seconds, then sends what has come by then. Only for scripts without receipts.
    """

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis)
        self._lock = threading.Lock()
        self._waiting: list[_Call] = []

    def timed(self, script: Script, items: Sequence[Argument] = (), /, **named: Argument) -> tuple[float, Any]:
        """Run a script together with those of other threads."""
        call = _Call(script, items, named)
        with self._lock:
            self._waiting.append(call)
            leads = len(self._waiting) == 1
        if leads:
            time.sleep(GATHER)
            with self._lock:
                calls, self._waiting = self._waiting, []
            self._send(calls)
        return call.done.result()

    def __call__(self, script: Script, items: Sequence[Argument] = (), /, **named: Argument) -> Any:
        """Run a script together with those of other threads."""
        return self.timed(script, items, **named)[1]

    def _send(self, calls: Sequence[_Call]) -> None:
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                for call in calls:
                    self.enqueue(pipe, call.script, call.items, **call.named)
                sent = time.monotonic()
                responses = self.responses(pipe)
        except Exception as error:  # noqa: BLE001  # each caller raises it
            responses = [error] * len(calls)
        for call, response in zip(calls, responses, strict=True):
            if isinstance(response, Exception):
                call.done.set_exception(response)
            else:
                call.done.set_result((sent, response))

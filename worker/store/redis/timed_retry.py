"""How long a failed Redis command is repeated: by the clock, whatever each attempt costs."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from redis.backoff import ExponentialBackoff
from redis.exceptions import TimeoutError  # noqa: A004  # redis-py's own name
from redis.retry import Retry

from worker.store.redis.states import STATES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    T = TypeVar("T")


@dataclass
class _Run:
    """The repetition of one command: when it ends (`time.monotonic`), and whether anything was repeated."""

    end: float
    began: float
    #: When the last attempt has to be over.
    latest: float
    repeated: bool = False


@dataclass
class _Budget:
    """The seconds that the commands of this thread may still wait for Redis, all together; None: without an end."""

    left: float | None


_BUDGET: Final[ContextVar[_Budget | None]] = ContextVar("budget", default=None)


@contextmanager
def waiting_at_most(seconds: float) -> Iterator[None]:
    """Within the block, raise TimeoutError once its commands have waited so long for Redis, all together."""
    token = _BUDGET.set(_Budget(seconds))
    try:
        yield
    finally:
        _BUDGET.reset(token)


def wait_to_the_end() -> None:
    """From here on, let the block wait as long as it takes: what changes something is not given up half-way."""
    if budget := _BUDGET.get():
        budget.left = None


def _share() -> tuple[float, float]:
    """Return the time, and when the next command has to be over. Raise TimeoutError if nothing of the time is left."""
    now, budget = time.monotonic(), _BUDGET.get()
    if budget is None or budget.left is None:
        return now, math.inf
    if budget.left <= 0:
        raise TimeoutError(STATES["slow"].sentence)
    return now, now + budget.left


def _spend(seconds: float) -> None:
    budget = _BUDGET.get()
    if budget is not None and budget.left is not None:
        budget.left -= seconds


#: The command that this thread executes.
_RUN: Final[ContextVar[_Run | None]] = ContextVar("run", default=None)
#: The first pause and the longest one, in seconds.
_BASE, _CAP = 0.25, 1.0


class TimedRetry(Retry):
    """Repeat what fails for `seconds`, and at least once, because an idle connection may be dead.

    redis-py repeats the connecting within each repetition of a command. Both end at the same time here: counted
    separately, a refused connection would be given up in a second, and a silent one in a minute.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(ExponentialBackoff(cap=_CAP, base=_BASE), 1)
        self.seconds = seconds

    def call_with_retry(
        self,
        do: Callable[[], T],
        fail: Callable[..., Any],
        is_retryable: Callable[[Exception], bool] | None = None,
        with_failure_count: bool = False,  # noqa: FBT001, FBT002  # the signature of redis-py
    ) -> T:
        """Call `do` until it succeeds; call `fail` after each failure. Raise the last error after `seconds`."""
        outer = _RUN.get()
        run = outer or _Run(time.monotonic() + self.seconds, *_share())
        token, failures = _RUN.set(run), 0
        try:
            while True:
                began = time.monotonic()
                try:
                    return do()
                except self._supported_errors as error:
                    if is_retryable and not is_retryable(error):
                        raise
                    failures += 1
                    fail(error, failures) if with_failure_count else fail(error)
                    pause, now = min(_CAP, _BASE * 2 ** (failures - 1)), time.monotonic()
                    if run.repeated and now + pause > run.end:
                        raise
                    # The next attempt may take as long as this one.
                    if now + pause + (now - began) > run.latest:
                        raise
                    run.repeated = True
                    time.sleep(pause)
        finally:
            _RUN.reset(token)
            if outer is None:
                _spend(time.monotonic() - run.began)

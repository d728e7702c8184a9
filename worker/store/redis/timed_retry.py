"""How long a failed Redis command is repeated: by the clock, whatever each attempt costs."""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from redis.backoff import ExponentialBackoff
from redis.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Callable

    T = TypeVar("T")


@dataclass
class _Run:
    """The repetition of one command: when it ends (`time.monotonic`), and whether anything was repeated."""

    end: float
    repeated: bool = False


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
        run = _RUN.get() or _Run(time.monotonic() + self.seconds)
        token, failures = _RUN.set(run), 0
        try:
            while True:
                try:
                    return do()
                except self._supported_errors as error:
                    if is_retryable and not is_retryable(error):
                        raise
                    failures += 1
                    fail(error, failures) if with_failure_count else fail(error)
                    pause = min(_CAP, _BASE * 2 ** (failures - 1))
                    if run.repeated and time.monotonic() + pause > run.end:
                        raise
                    run.repeated = True
                    time.sleep(pause)
        finally:
            _RUN.reset(token)

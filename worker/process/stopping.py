"""Whether this process was asked to stop: it finishes the current call, and begins nothing new."""

from __future__ import annotations

import mmap
import signal
from typing import TYPE_CHECKING, Any, Final

from worker.process.renewal import renew_by

if TYPE_CHECKING:
    from collections.abc import Callable

#: One byte that this process shares with every process forked from it. The processes of a pool do not receive the
#: signals of their parent, which waits for them.
_ALL: Final = [mmap.mmap(-1, 1)]
_HERE: Final = [False]


def _renew() -> None:
    _ALL[0], _HERE[0] = mmap.mmap(-1, 1), False


renew_by(_renew)


def stop_all() -> None:
    """Stop this process and those of its pool."""
    _ALL[0][0] = 1


def stop_here() -> None:
    """Stop this process only."""
    _HERE[0] = True


def stopping() -> bool:
    """Return whether this process must stop after the current call."""
    return _HERE[0] or _ALL[0][0] == 1


def on_stop_signals(handler: Callable[[int, Any], object]) -> dict[int, Any]:
    """Call `handler` on SIGTERM, SIGINT, and SIGHUP, unless `nohup` made us ignore it; return the former handlers."""
    numbers = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    return {number: signal.signal(number, handler) for number in numbers}

"""SIGHUP: a request to reload, or the end of the terminal that the process was started in."""

from __future__ import annotations

import os
import signal
from typing import Literal

Meaning = Literal["reload", "stop", "nothing"]


class HangUp:
    """What a SIGHUP means for this process.

    Create it before a handler of SIGHUP is set: a process that ignores the signal was started by `nohup`.
    """

    def __init__(self) -> None:
        self._nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        self._has_terminal = _has_terminal()

    def meaning(self, *, asked: bool) -> Meaning:
        """Return what a signal that arrived now means; `asked`: a command asked for a reload."""
        if asked or not self._has_terminal or _has_terminal():
            return "reload"
        self._has_terminal = False
        return "nothing" if self._nohup else "stop"


def _has_terminal() -> bool:
    """Return whether this process has a terminal that controls it, and that is still there."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True

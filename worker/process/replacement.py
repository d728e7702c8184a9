"""Replace this process by a new one when it ends."""

from __future__ import annotations

import atexit
import sys
from typing import Final

_wanted: Final = [False]


def replace_at_exit() -> None:
    """Let the process be replaced at its end if that is wanted then; call it before any other exit handler is set."""
    atexit.register(_replace)


def want_replacement() -> None:
    """Replace the process by a new one with the same command line when it ends."""
    _wanted[0] = True


def _replace() -> None:
    if _wanted[0]:
        from worker.process.environment import environment
        from worker.process.intake_orders import replace_process

        replace_process([sys.executable, *sys.orig_argv[1:]], environment())

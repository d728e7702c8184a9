"""Looks at the processes that a test started."""

from __future__ import annotations

import psutil


def last_words(process: psutil.Process) -> list[str]:
    """Return the last two words of its command line; none if it has ended."""
    try:
        return process.cmdline()[-2:]
    except psutil.Error:
        return []

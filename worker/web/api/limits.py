"""The limits of calls to the API, for each token and for each address that shows no valid one."""

from __future__ import annotations

import time
from typing import Final

#: Seconds of a window, and the calls in it of one token, and without a valid token of one address.
WINDOW: Final = 60.0
CALLS: Final = 600
REFUSED: Final = 60


class CallLimits:
    """Counts calls in windows of a minute, in this process."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._counts: dict[str, int] = {}

    def count(self, subject: str, most: int) -> float:
        """Count a call of a subject; return for how many seconds it has to wait, 0 if it may be answered."""
        now = time.monotonic()
        if now - self._began >= WINDOW:
            self._began, self._counts = now, {}
        self._counts[subject] = count = self._counts.get(subject, 0) + 1
        return 0.0 if count <= most else max(1.0, self._began + WINDOW - now)

"""An adapter with a fault: one call hangs beside HTTP, where no deadline of Intake ends it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from worker.systems.dropday.target import Dropday

if TYPE_CHECKING:
    from schemas.order import Order
    from worker.systems.target import Receipt

#: The variable with the file that exists once a call has hung; and with "before" or "after" (the order is created).
ONCE, WHEN = "STUCK_ONCE", "STUCK_WHEN"


class Stuck(Dropday):
    """A Dropday whose adapter hangs at one order of all."""

    kind: ClassVar[str] = "stuck"

    def create(self, order: Order, reference: str) -> Receipt:
        """Create the order, and hang before or after that if no call of any process has hung yet."""
        if os.environ[WHEN] == "before":
            self._hang()
        receipt = super().create(order, reference)
        if os.environ[WHEN] == "after":
            self._hang()
        return receipt

    def _hang(self) -> None:
        try:
            Path(os.environ[ONCE]).touch(exist_ok=False)
        except FileExistsError:
            return
        while True:
            time.sleep(1)

"""Take over the settings of a process: what it runs with is kept as a copy, and a reload of them is heeded."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from worker.process.reloader import Reloader
from worker.settings.in_use import VARIABLE, copy_of, save

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.settings.load import Settings


def take_over(settings: Settings, role: str, stop: Callable[[], object]) -> Reloader | None:
    """Keep a copy of the settings of this process, and return what heeds a reload of them by `stop`.

    Return None for a process that `intake up` started, and starts again for a reload.
    """
    if VARIABLE in os.environ:
        return None
    copy = copy_of(settings.data_dir)
    save(settings.file, settings.text, copy)
    return Reloader(settings.data_dir, copy, role, stop)

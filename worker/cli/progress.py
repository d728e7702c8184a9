"""The columns of a progress bar, with the same rules for text as `worker/cli/display.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich.progress
from rich.text import Text

from worker.telemetry.printable import one_line

if TYPE_CHECKING:
    from rich.progress import Task


class TextColumn(rich.progress.TextColumn):
    """A column of a progress bar, whose text is no markup."""

    def __init__(self, text_format: str) -> None:
        super().__init__(text_format, markup=False)

    def render(self, task: Task) -> Text:
        """Return the text of this task on one line."""
        return Text(one_line(super().render(task).plain))

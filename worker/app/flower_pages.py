"""What Flower's pages show of a task: its account, and one line of what it did or why it failed."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def name_columns() -> None:
    """Name the column of the arguments after what it holds: our tasks have one, the name of an account."""
    views: Any = import_module("flower.views.tasks")
    views.TASK_COLUMNS["args"] = "Account"


def format_task(task: Any) -> Any:
    """Show the reason of a failed task in the column of results: Flower has another one for exceptions."""
    if task.exception and not task.result:
        task.result = task.exception
    return task

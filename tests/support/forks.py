"""Processes forked from one server, which has imported the code that they run."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing import forkserver
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import ForkServerProcess

CONTEXT: Final = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["support.preloaded"])
#: The environment before any test: the server starts in that of the test that needs it first, and keeps it. Its path is
#: that of its environment, not that of this process.
_ENVIRON: Final = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}


def forked(target: Callable[..., None], *args: Any) -> ForkServerProcess:
    """Start a process that calls `target`."""
    with patch.dict(os.environ, _ENVIRON, clear=True):
        forkserver.ensure_running()
    process = CONTEXT.Process(target=target, args=args, daemon=True)
    process.start()
    return process

"""Simulators forked from one process that imported their code: an interpreter costs each half a second."""

from __future__ import annotations

import os
import runpy
import sys
from typing import TYPE_CHECKING

from support.forks import CONTEXT, forked

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection


class ForkedSandbox:
    """A running simulator, as `python -m worker.lab.sandbox OPTIONS` starts it."""

    def __init__(self, options: Sequence[str]) -> None:
        reader, writer = CONTEXT.Pipe(duplex=False)
        self.process = forked(_serve, list(options), writer)
        writer.close()
        with reader, open(reader.fileno(), encoding="utf-8", closefd=False) as lines:
            #: The line that it printed when it accepted connections; empty if it ended instead.
            self.line = lines.readline()

    @property
    def pid(self) -> int:
        """The id of the process."""
        assert self.process.pid is not None
        return self.process.pid

    def stop(self, number: int) -> int:
        """Send the signal and return the exit code."""
        if self.process.is_alive():
            os.kill(self.pid, number)
        self.process.join(10)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        code = self.process.exitcode
        assert code is not None
        return code


def _serve(options: list[str], writer: Connection) -> None:
    """Run the simulator in this process until it is stopped, or the process that forks simulators has ended."""
    sys.argv[1:] = [*options, "--parent", str(os.getppid())]
    with open(writer.fileno(), "w", encoding="utf-8", closefd=False) as sys.stdout:
        runpy.run_module("worker.lab.sandbox", run_name="__main__", alter_sys=True)

"""Start a program of a supervisor: fork it from this process, or execute it."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any, Protocol

from worker.process.fork import can_fork, fork_program
from worker.process.parent import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Process(Protocol):
    """What a supervisor uses of a process."""

    pid: int
    returncode: Any

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""

    def wait(self) -> int | None:
        """Wait until it has ended."""

    def terminate(self) -> None:
        """Ask it to end."""


def start(command: Sequence[str], env: Mapping[str, str], name: str = "") -> tuple[Process, int]:
    """Start a program; return its process, and the descriptor of what it prints. Raise OSError if that fails.

    Args:
        command: Its command line.
        env: All of its environment.
        name: The name of a program of Intake, which is forked from this process where that is possible.
    """
    if name and can_fork():
        return fork_program(command, env, name)
    read, write = os.pipe()
    try:
        process = subprocess.Popen(  # noqa: S603  # the commands are our own
            command,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=write,
            stderr=subprocess.STDOUT,
            # Ctrl-C reaches the supervisor only, which stops its children in order.
            start_new_session=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509  # one system call, which cannot hang
        )
    except OSError:
        os.close(read)
        raise
    finally:
        os.close(write)
    return process, read

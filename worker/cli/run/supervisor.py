"""A supervisor of processes: start them, pass on their output, restart those that die, leave none behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: Seconds before a process that died is started again: from the first to the second, doubled after each short run.
SOONEST, LATEST = 0.5, 10.0
#: A run that lasted so many seconds is not short.
LONG_RUN = 10.0
#: Seconds that each program has to end by itself, even if an earlier one used up the grace period of all.
AT_LEAST = 3.0
COLOURS = ("cyan", "green", "magenta", "yellow", "blue")
_PR_SET_PDEATHSIG = 1


def die_with_parent() -> Callable[[], None] | None:
    """Return what a child runs first on Linux, so that it is killed when its parent is, even by SIGKILL."""
    if not sys.platform.startswith("linux"):
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def bind_to_parent() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before the line above
            os._exit(1)

    return bind_to_parent


@dataclass(slots=True)
class Program:
    """A program to keep running; `ready` blocks until the next one may start."""

    name: str
    command: Sequence[str]
    ready: Callable[[], None] | None = None


@dataclass(slots=True)
class _Running:
    program: Program
    process: subprocess.Popen[str]
    started: float
    wait: float = SOONEST
    restart_at: float | None = None
    forwarder: threading.Thread | None = field(default=None, repr=False)


class Supervisor:
    """Start programs in the given order, keep them running until a signal, and stop them in the reverse order.

    Args:
        programs: The programs; each may depend on those before it (workers on Redis).
        env: The environment of all programs.
        grace: Seconds that all programs together have to end by themselves after SIGTERM.
    """

    def __init__(self, programs: Sequence[Program], env: Mapping[str, str], grace: float = 30.0) -> None:
        self._programs, self._env, self._grace = programs, env, grace
        self._running: list[_Running] = []
        self._stop = threading.Event()
        self._width = max(len(program.name) for program in programs)
        self._preexec = die_with_parent()

    def run(self) -> None:
        """Run until a signal; a second signal kills all programs at once."""
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        handlers = {number: signal.signal(number, self._signalled) for number in numbers}
        try:
            for program in self._programs:
                if self._stop.is_set():
                    break
                self._running.append(self._start(program))
                if program.ready is not None:
                    program.ready()
            while not self._stop.wait(0.1):
                for running in self._running:
                    self._restart_if_dead(running)
        finally:
            self._stop_all()
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _signalled(self, _number: int, _frame: object) -> None:
        if self._stop.is_set():
            self._grace = 0.0
        self._stop.set()

    def _start(self, program: Program) -> _Running:
        process = subprocess.Popen(  # noqa: S603  # the commands are our own
            program.command,
            env=dict(self._env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # Ctrl-C reaches the supervisor only, which stops its children in order.
            start_new_session=True,
            preexec_fn=self._preexec,  # noqa: PLW1509  # one system call, which cannot hang
        )
        running = _Running(program, process, time.monotonic())
        if process.stdout is not None:
            running.forwarder = threading.Thread(target=self._forward, args=(program, process.stdout), daemon=True)
            running.forwarder.start()
        return running

    def _forward(self, program: Program, output: IO[str]) -> None:
        colour = COLOURS[[p.name for p in self._programs].index(program.name) % len(COLOURS)]
        prefix = click.style(f"{program.name:<{self._width}} | ", fg=colour)
        for line in output:
            _echo(prefix + line.rstrip("\n"))

    def _report(self, running: _Running, event: str) -> None:
        _echo(f"{running.program.name:<{self._width}} | {event}")

    def _restart_if_dead(self, running: _Running) -> None:
        now = time.monotonic()
        if running.restart_at is not None:
            if now >= running.restart_at:
                self._running[self._running.index(running)] = restarted = self._start(running.program)
                restarted.wait = running.wait
        elif running.process.poll() is not None:
            # Its own children (the pool of a worker) must not outlive it.
            _signal_group(running, signal.SIGKILL)
            short = now - running.started < LONG_RUN
            running.wait = min(running.wait * 2, LATEST) if short else SOONEST
            running.restart_at = now + running.wait
            self._report(running, f"ended with {running.process.returncode}; started again in {running.wait:.0f} s")

    def _stop_all(self) -> None:
        until = time.monotonic() + self._grace
        # A program stops before those it depends on; Redis stops last, when nobody writes any more.
        for running in reversed(self._running):
            running.process.terminate()
            end = max(until, time.monotonic() + AT_LEAST)
            while running.process.poll() is None and time.monotonic() < end and self._grace:
                time.sleep(0.05)
            _signal_group(running, signal.SIGKILL)
            running.process.wait()
            if running.forwarder is not None:
                running.forwarder.join(timeout=2)


def _echo(line: str) -> None:
    """Print a line; ignore a closed output, because a program blocks on a pipe that is not emptied."""
    with contextlib.suppress(OSError):
        click.echo(line, err=True)


def _signal_group(running: _Running, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(running.process.pid, number)

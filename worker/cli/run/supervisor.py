"""Runs processes: starts them, passes their output on, restarts what dies, leaves nothing behind."""

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

#: Seconds before a process that died is started again: doubling while it dies young, from the first to the second.
SOONEST, LATEST = 0.5, 10.0
#: A process that lived for so many seconds did not die young.
GROWN_UP = 10.0
#: Seconds that each program has to end by itself, even where one before it used up the grace of all.
AT_LEAST = 3.0
COLOURS = ("cyan", "green", "magenta", "yellow", "blue")
_PR_SET_PDEATHSIG = 1


def die_with_parent() -> Callable[[], None] | None:
    """What a child runs first on Linux: it is killed when its parent is, even by SIGKILL."""
    if not sys.platform.startswith("linux"):
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def leash() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # killed before the line above
            os._exit(1)

    return leash


@dataclass(slots=True)
class Program:
    """One thing to keep running; `ready` is waited for before the next one is started."""

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
    """Keeps programs running in the order given, until a signal; stops them in the reverse order.

    Args:
        programs: What to run; each stands on those before it (workers on Redis).
        env: Environment of all of them.
        grace: Seconds they have to end by themselves after SIGTERM, together.
    """

    def __init__(self, programs: Sequence[Program], env: Mapping[str, str], grace: float = 30.0) -> None:
        self._programs, self._env, self._grace = programs, env, grace
        self._running: list[_Running] = []
        self._stop = threading.Event()
        self._width = max(len(program.name) for program in programs)
        self._preexec = die_with_parent()

    def run(self) -> None:
        """Run until told to stop; a second signal kills at once."""
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, self._signalled) for number in numbers}
        try:
            for program in self._programs:
                if self._stop.is_set():
                    break
                self._running.append(self._start(program))
                if program.ready is not None:
                    program.ready()
            while not self._stop.wait(0.1):
                for running in self._running:
                    self._look_after(running)
        finally:
            self._stop_all()
            for number, handler in before.items():
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
            # Ctrl-C is for the supervisor: it ends its children in their order.
            start_new_session=True,
            preexec_fn=self._preexec,  # noqa: PLW1509  # one system call, nothing that could hang
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

    def _say(self, running: _Running, what: str) -> None:
        _echo(f"{running.program.name:<{self._width}} | {what}")

    def _look_after(self, running: _Running) -> None:
        now = time.monotonic()
        if running.restart_at is not None:
            if now >= running.restart_at:
                self._running[self._running.index(running)] = again = self._start(running.program)
                again.wait = running.wait
        elif running.process.poll() is not None:
            # Its own children, a worker's pool, must not go on without it.
            _signal_group(running, signal.SIGKILL)
            young = now - running.started < GROWN_UP
            running.wait = min(running.wait * 2, LATEST) if young else SOONEST
            running.restart_at = now + running.wait
            self._say(running, f"ended with {running.process.returncode}; started again in {running.wait:.0f} s")

    def _stop_all(self) -> None:
        until = time.monotonic() + self._grace
        # What stands on the others goes first; Redis goes last, when nobody writes any more.
        for running in reversed(self._running):
            _signal_group_leader(running)
            end = max(until, time.monotonic() + AT_LEAST)
            while running.process.poll() is None and time.monotonic() < end and self._grace:
                time.sleep(0.05)
            _signal_group(running, signal.SIGKILL)
            running.process.wait()
            if running.forwarder is not None:
                running.forwarder.join(timeout=2)


def _echo(line: str) -> None:
    """Print, and go on if nobody reads: a pipe that is not emptied would hold up who writes into it."""
    with contextlib.suppress(OSError):
        click.echo(line, err=True)


def _signal_group_leader(running: _Running) -> None:
    with contextlib.suppress(ProcessLookupError):
        running.process.send_signal(signal.SIGTERM)


def _signal_group(running: _Running, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(running.process.pid, number)

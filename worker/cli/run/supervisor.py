"""A supervisor of processes: start them, pass on their output, restart those that die, leave none behind."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from worker.cli.run.output_lines import fold
from worker.cli.run.starting import start
from worker.cli.terminal import never_wait, styled
from worker.errors import ConfigError
from worker.process.stopping import on_stop_signals
from worker.telemetry.printable import printable

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Mapping, Sequence

    from worker.cli.run.file_reload import FileReload
    from worker.cli.run.starting import Process

#: Seconds before a process that died is started again: from the first to the second, doubled after each short run.
SOONEST, LATEST = 0.5, 10.0
#: A run that lasted so many seconds is not short.
LONG_RUN = 10.0
#: Seconds that each program has to end by itself, even if an earlier one used up the grace period of all.
AT_LEAST = 3.0
#: Seconds that a program has to start again before the next one is stopped.
STARTS_WITHIN = 30.0
COLOURS = ("cyan", "green", "magenta", "yellow", "blue")
#: Bytes that are read at once; a line that is longer is passed on in parts.
_PART = 65_536
#: Seconds for the last lines of a program that ended: another process may hold its output open.
_LAST = 2.0


@dataclass(slots=True)
class Program:
    """A program to keep running; the next one starts when `ready` returns true."""

    name: str
    command: Sequence[str]
    ready: Callable[[], bool] | None = None
    #: Whether it reads `intake.toml`: it is started again when the file was changed.
    reads_settings: bool = True
    #: Whether it runs again after that; without it, it does as soon as it is started.
    runs: Callable[[], bool] | None = None
    #: Lines that nobody has to read.
    noise: re.Pattern[str] | None = None
    #: Whether it is a program of Intake, which is forked from this process where that is possible.
    forks: bool = False


class _Running:
    """A program, its process if it could be started, and what it printed of its last line."""

    def __init__(self, program: Program, prefix: str) -> None:
        self.program, self.prefix = program, prefix
        self.process: Process | None = None
        self.line = b""
        self.started = 0.0
        self.wait = SOONEST
        self.restart_at: float | None = None

    def kill_group(self) -> None:
        """Kill the process with its own children (the pool of a worker): they must not outlive it."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)


class Supervisor:
    """Start programs in the given order, keep them running until a signal, and stop them in the reverse order.

    Args:
        programs: The programs; each may depend on those before it (workers on Redis).
        env: The environment of all programs.
        grace: Seconds that all programs together have to end by themselves after SIGTERM.
        reload: What checks a changed file on SIGHUP; without it, SIGHUP stops as SIGTERM does.
        banner: What to report once every program runs.
    """

    def __init__(  # what runs, and how it is stopped, changed and announced
        self,
        programs: Sequence[Program],
        env: Mapping[str, str],
        grace: float = 30.0,
        reload: FileReload | None = None,
        banner: str = "",
    ) -> None:
        self._banner = banner
        self._programs, self._env, self._grace, self._reload = programs, env, grace, reload
        self._running: list[_Running] = []
        self._stopping = False
        self._width = max(2, *(len(program.name) for program in programs))
        self._selector = selectors.DefaultSelector()
        # A program blocks on a pipe that is not emptied.
        never_wait()

    def run(self) -> None:
        """Run until a signal; a second signal kills all programs at once.

        Raises:
            ConfigError: A program ended before it was ready.
        """
        handlers = on_stop_signals(self._signalled)
        if self._reload is not None:
            handlers[signal.SIGHUP] = self._reload.heed(lambda: self._signalled(signal.SIGHUP, None))
        try:
            for number, program in enumerate(self._programs):
                colour = COLOURS[number % len(COLOURS)] if sys.stderr.isatty() else None
                prefix = f"{program.name:<{self._width}} | "
                running = _Running(program, click.style(prefix, colour) if colour else prefix)
                self._running.append(running)
                self._start(running)
                self._wait_until_ready(running)
            while not self._stopping:
                self._forward()
                for running in self._running:
                    self._restart_if_dead(running)
                self._announce()
                if self._reload is not None:
                    self._reload_if_asked(self._reload)
        finally:
            self._stop_all()
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _signalled(self, _number: int, _frame: object) -> None:
        if self._stopping:
            self._grace = 0.0
        self._stopping = True

    def _report(self, name: str, event: str) -> None:
        self._write(f"{name:<{self._width}} | ", printable(event))

    def _write(self, prefix: str, text: str) -> None:
        for part in fold(text, self._width + 3):
            styled(sys.stderr).write(f"{prefix}{part}\n")

    def _announce(self) -> None:
        """Report the banner as soon as every program runs; once."""
        if self._banner and all(each.program.runs is None or each.program.runs() for each in self._running):
            self._report("up", self._banner)
            self._banner = ""

    def _reload_if_asked(self, reload: FileReload) -> None:
        """Start the programs again, one after the other, if a changed file was found to be good."""
        verdict = reload.verdict()
        if verdict is None:
            return
        for line in verdict.lines:
            self._report("up", line)
        if not verdict.accepted:
            return
        for running in self._running:
            if running.program.reads_settings and not self._stopping:
                if running.process is not None:
                    self._stop(running, running.process, time.monotonic() + self._grace)
                running.wait = SOONEST
                self._start(running)
                self._wait_until_it_runs(running.program)
        reload.finish()
        self._report("up", "all processes run with the new settings")

    def _wait_until_it_runs(self, program: Program) -> None:
        end = time.monotonic() + STARTS_WITHIN
        while program.runs is not None and not program.runs() and not self._stopping and time.monotonic() < end:
            self._forward()

    def _start(self, running: _Running) -> None:
        running.started, running.restart_at = time.monotonic(), None
        try:
            name = running.program.name if running.program.forks else ""
            running.process, output = start(running.program.command, self._env, name)
        except OSError as error:  # no more processes, no more memory
            running.process = None
            self._restart_later(running, f"cannot be started: {(error.strerror or type(error).__name__).lower()}")
            return
        os.set_blocking(output, False)
        self._selector.register(output, selectors.EVENT_READ, running)

    def _wait_until_ready(self, running: _Running) -> None:
        ready = running.program.ready
        while ready is not None and not self._stopping and not ready():
            self._forward()
            if running.process is None or running.process.poll() is not None:
                state = "cannot be started" if running.process is None else f"ended with {running.process.returncode}"
                raise ConfigError(
                    running.program.name, "start", f"it {state} before it was ready", "See its own error above."
                )

    def _forward(self, seconds: float = 0.1) -> None:
        """Pass on what the programs print, for this time at most."""
        for key, _ in self._selector.select(seconds):
            running: _Running = key.data
            part = b""
            with contextlib.suppress(BlockingIOError):
                part = os.read(key.fd, _PART)
                if not part:
                    self._selector.unregister(key.fd)
                    os.close(key.fd)
            *lines, running.line = (running.line + part).split(b"\n")
            if running.line and (not part or len(running.line) >= _PART):
                lines.append(running.line)
                running.line = b""
            for line in lines:
                text = printable(line.decode(sys.stderr.encoding, "replace"))
                if running.program.noise is None or not running.program.noise.search(text):
                    self._write(running.prefix, text)

    def _restart_if_dead(self, running: _Running) -> None:
        if running.restart_at is not None:
            if time.monotonic() >= running.restart_at:
                self._start(running)
        elif running.process is not None and running.process.poll() is not None:
            running.kill_group()
            self._restart_later(running, f"ended with {running.process.returncode}")

    def _restart_later(self, running: _Running, event: str) -> None:
        now = time.monotonic()
        running.wait = min(running.wait * 2, LATEST) if now - running.started < LONG_RUN else SOONEST
        running.restart_at = now + running.wait
        self._report(running.program.name, f"{event}; started again in {running.wait:.0f} s")

    def _stop_all(self) -> None:
        """Stop each program before those it depends on; Redis stops last, when nobody writes any more."""
        self._report("up", "stopping")
        until = time.monotonic() + self._grace
        for running in reversed(self._running):
            if running.process is not None:
                self._stop(running, running.process, until)
        self._report("up", "all processes have ended")
        for key in list(self._selector.get_map().values()):
            os.close(key.fd)
        self._selector.close()

    def _stop(self, running: _Running, process: Process, until: float) -> None:
        process.terminate()
        end = max(until, time.monotonic() + AT_LEAST)
        while process.poll() is None and time.monotonic() < end and self._grace:
            self._forward(0.05)
        if process.poll() is None:
            self._report(running.program.name, "killed, because it did not end")
        running.kill_group()
        process.wait()
        end = time.monotonic() + _LAST
        while time.monotonic() < end and any(key.data is running for key in self._selector.get_map().values()):
            self._forward(0.05)

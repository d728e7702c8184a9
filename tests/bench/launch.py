"""Run the programs of `bench.programs`: to their end, as a server, or several that start at the same moment."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Any

import click

from bench.harness import environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def _command(program: str, arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", f"bench.programs.{program}", *arguments]


def run_program(program: str, *arguments: str) -> Any:
    """Run a program to its end and return the JSON that it prints."""
    command = _command(program, arguments)
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=environment())
    if finished.returncode:
        raise click.ClickException(f"{program} failed; its output is above")
    return json.loads(finished.stdout)


@contextlib.contextmanager
def run_server(program: str, *arguments: str) -> Iterator[str]:
    """Run a server during the block and yield its base URL, from the port that it prints."""
    command = _command(program, arguments)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise click.ClickException(f"{program} did not start; its output is above")
            yield f"http://127.0.0.1:{int(line)}"
        finally:
            process.kill()


@contextlib.contextmanager
def run_together(
    program: str, members: Sequence[Sequence[str]], first_lines: Sequence[str] = ()
) -> Iterator[list[int]]:
    """Run a program once per member's arguments during the block, and yield the process ids.

    Each process may get a first line of input. When all are ready, a second line starts all at the same moment.
    """
    processes = []
    try:
        for arguments in members:
            command, pipe = _command(program, arguments), subprocess.PIPE
            processes.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment()))
        for process, line in zip(processes, first_lines, strict=False):
            _write_line(process.stdin, line)
        for process in processes:
            if process.stdout is None or not process.stdout.readline():
                raise click.ClickException(f"{program} did not start; its output is above")
        for process in processes:
            _write_line(process.stdin, "go")
        yield [process.pid for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _write_line(pipe: IO[str] | None, line: str) -> None:
    if pipe is not None:
        pipe.write(line + "\n")
        pipe.flush()

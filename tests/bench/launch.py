"""The programs of `tests/bench/programs`: run to their end, as a server, or many that begin at one moment."""

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


def told(program: str, *arguments: str) -> Any:
    """Run the program to its end; gives the JSON that it prints."""
    command = _command(program, arguments)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=environment())
    if done.returncode:
        raise click.ClickException(f"{program} failed; what it said stands above")
    return json.loads(done.stdout)


@contextlib.contextmanager
def serving(program: str, *arguments: str) -> Iterator[str]:
    """Run a program that serves, until the block ends; gives its base URL, made of the port that it prints."""
    command = _command(program, arguments)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise click.ClickException(f"{program} did not start; what it said stands above")
            yield f"http://127.0.0.1:{int(line)}"
        finally:
            process.kill()


@contextlib.contextmanager
def crew(program: str, members: Sequence[Sequence[str]], first_line: Sequence[str] = ()) -> Iterator[list[int]]:
    """Start the program once for each member's arguments, let all begin when all are ready; gives their process ids.

    A member may be told a first line. They are killed when the block ends.
    """
    processes = []
    try:
        for arguments in members:
            command, pipe = _command(program, arguments), subprocess.PIPE
            processes.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment()))
        for process, line in zip(processes, first_line, strict=False):
            _tell(process.stdin, line)
        for process in processes:
            if process.stdout is None or not process.stdout.readline():
                raise click.ClickException(f"{program} did not start; what it said stands above")
        for process in processes:
            _tell(process.stdin, "go")
        yield [process.pid for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _tell(pipe: IO[str] | None, line: str) -> None:
    if pipe is not None:
        pipe.write(line + "\n")
        pipe.flush()

"""The scripts of `tests/bench`: run to their end, as a server, or many that begin at one moment."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Any

import click

from worker.lab.bench.ground import TOOLS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ROOT = str(TOOLS.parents[1])


def _command(script: str, arguments: Sequence[str]) -> list[str]:
    return [sys.executable, str(TOOLS / script), *arguments]


def environment() -> dict[str, str]:
    """The environment in which these scripts find our packages."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (_ROOT, os.environ.get("PYTHONPATH", ""))))}


def told(script: str, *arguments: str) -> Any:
    """Run the script to its end; gives the JSON that it prints."""
    command = _command(script, arguments)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=environment())  # noqa: S603  # our own command
    if done.returncode:
        raise click.ClickException(f"{script} failed; what it said stands above")
    return json.loads(done.stdout)


@contextlib.contextmanager
def serving(script: str, *arguments: str) -> Iterator[str]:
    """Run a script that serves, until the block ends; gives its base URL, made of the port that it prints."""
    command = _command(script, arguments)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own command
        assert process.stdout is not None  # noqa: S101  # for the type checker: it is a pipe
        try:
            line = process.stdout.readline()
            if not line:
                raise click.ClickException(f"{script} did not start; what it said stands above")
            yield f"http://127.0.0.1:{int(line)}"
        finally:
            process.kill()


@contextlib.contextmanager
def crew(script: str, members: Sequence[Sequence[str]], first_line: Sequence[str] = ()) -> Iterator[list[int]]:
    """Start the script once for each member's arguments, let all begin when all are ready; gives their process ids.

    A member may be told a first line. They are killed when the block ends.
    """
    processes = []
    try:
        for arguments in members:
            command, pipe = _command(script, arguments), subprocess.PIPE
            processes.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment()))  # noqa: S603  # our own command
        for process, line in zip(processes, first_line, strict=False):
            _tell(process.stdin, line)
        for process in processes:
            if process.stdout is None or not process.stdout.readline():
                raise click.ClickException(f"{script} did not start; what it said stands above")
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

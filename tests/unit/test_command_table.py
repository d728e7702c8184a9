"""The table of the `intake` command: each entry is a command, and each command has an entry."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

import worker.cli
from worker.cli import COMMANDS

#: `@click.command("show")` or `@click.group("dead")`; a subcommand is defined by its group instead.
_DEFINITION = re.compile(r'^@click\.(?:command|group)\(\s*"([\w-]+)"', re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_entry_of_the_table_is_the_command_of_its_name(name: str) -> None:
    module, _, attribute = COMMANDS[name][0].partition(":")
    command = getattr(importlib.import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.name == name


def test_every_command_defined_below_cli_is_in_the_table() -> None:
    folder = Path(worker.cli.__file__).parent
    defined = set()
    for file in sorted(folder.glob("*/*.py")):
        module = f"worker.cli.{file.parent.name}.{file.stem}"
        defined |= {(name, module) for name in _DEFINITION.findall(file.read_text(encoding="utf-8"))}
    listed = {(name, address.partition(":")[0]) for name, (address, _) in COMMANDS.items()}
    assert len(defined) > 20
    assert {entry for entry in listed if entry[1].startswith("worker.cli.")} == defined


def imported_with(*modules: str) -> set[str]:
    """Return the names of the modules that a new process has after it imported `modules`."""
    script = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_the_command_line_imports_no_command_and_no_large_library_before_a_command_is_called() -> None:
    names = imported_with("worker.cli")
    assert not names & {address.partition(":")[0] for address, _ in COMMANDS.values()}
    assert not names & {"asyncio", "celery", "pydantic", "redis", "requests", "rich", "structlog", "tempfile"}


def test_commands_that_read_import_neither_celery_nor_what_libraries_take_only_because_it_is_installed() -> None:
    names = imported_with("worker.cli.status.status", "worker.cli.status.health", "worker.cli.orders.show")
    assert {"redis", "rich.console"} <= names
    assert not names & {
        "celery",
        "kombu",
        "tasks",
        "opentelemetry",
        "rich.traceback",
        "pygments",
        "attr",
        "phonenumbers",
    }


def test_the_supervisor_does_without_what_its_processes_import() -> None:
    assert not imported_with("worker.cli.run.up") & {"celery", "kombu", "tasks", "worker.app"}


def test_workers_import_nothing_that_libraries_take_only_because_it_is_installed() -> None:
    names = imported_with("worker.app.__main__", "tasks.deliver", "tasks.poll")
    assert {"redis", "structlog", "kombu.serialization", "celery.bin.base"} <= names
    assert not names & {"opentelemetry", "rich", "pygments", "yaml", "prompt_toolkit", "flower"}


def test_the_summary_of_each_command_fits_one_line() -> None:
    assert all(summary[0].isupper() and len(summary) <= 50 for _, summary in COMMANDS.values())

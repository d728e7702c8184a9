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
_DEFINITION = re.compile(r'^@click\.(?:command|group)\("([\w-]+)"', re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_entry_of_the_table_is_the_command_of_its_name(name: str) -> None:
    module, _, attribute = COMMANDS[name].partition(":")
    command = getattr(importlib.import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.name == name


def test_every_command_defined_below_cli_is_in_the_table() -> None:
    folder = Path(worker.cli.__file__).parent
    defined = set()
    for file in sorted(folder.glob("*/*.py")):
        module = f"worker.cli.{file.parent.name}.{file.stem}"
        defined |= {(name, module) for name in _DEFINITION.findall(file.read_text(encoding="utf-8"))}
    listed = {(name, address.partition(":")[0]) for name, address in COMMANDS.items()}
    assert len(defined) > 20
    assert {entry for entry in listed if entry[1].startswith("worker.cli.")} == defined


def test_the_command_line_imports_no_command_before_it_is_called() -> None:
    script = "import sys, worker.cli; print(*(name for name in sys.modules if name.startswith('worker.')))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    modules = {address.partition(":")[0] for address in COMMANDS.values()}
    assert not modules & set(result.stdout.split())

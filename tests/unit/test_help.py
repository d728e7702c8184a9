"""The help of every command: whole lines, in 80 columns, with an example that is valid as it stands."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import click
import pytest

from support.click_contexts import context_of
from unit.test_words import private_words
from worker.cli import COMMANDS, GROUPS, main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _walk(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of each command and subcommand."""
    if path != ("sandbox",):  # it passes its options on, also --help
        yield path
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=" ".join(("intake", *path)))
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _walk(below, (*path, name))


PATHS = list(_walk(main))


def _help(path: tuple[str, ...], columns: int) -> list[str]:
    context = context_of(path, help_only=True)
    each: click.Context | None = context
    while each is not None:
        each.terminal_width = columns
        each = each.parent
    return context.get_help().splitlines()


@pytest.mark.parametrize("columns", [80, 100])
@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_the_help_of_every_command_fits_and_no_line_is_cut(path: tuple[str, ...], columns: int) -> None:
    lines = _help(path, columns)
    assert len(lines) > 3
    assert [line for line in lines if len(line) > columns] == []
    assert [line for line in lines if re.search(r"\.\.\.$|…", line.rstrip()) and "Usage:" not in line] == []


def test_no_help_has_a_private_word() -> None:
    texts = {path: " ".join(" ".join(_help(path, 100)).split()) for path in PATHS}
    assert {path: found for path, text in texts.items() if (found := private_words(text))} == {}


@pytest.mark.parametrize("path", [path for path in PATHS if path], ids=" ".join)
def test_the_help_begins_with_a_short_summary_and_ends_with_examples(path: tuple[str, ...]) -> None:
    command = context_of(path, help_only=True).command
    summary, separator, _ = (command.help or "").partition(".")
    if len(path) == 1:
        summary = COMMANDS[path[0]][1]
        assert (command.help or "").startswith(f"{summary}.")
    assert separator
    assert len(summary) <= 50
    assert summary[0].isupper()
    assert command.short_help is None
    assert command.epilog
    assert command.epilog.startswith("\b\nExample")


@pytest.mark.parametrize("path", [path for path in PATHS if path], ids=" ".join)
def test_each_option_has_a_help_text_that_is_a_sentence(path: tuple[str, ...]) -> None:
    for option in context_of(path, help_only=True).command.params:
        if isinstance(option, click.Option):
            assert option.help, option.name
            assert option.help[0].isupper(), option.help
            assert re.search(r"[.)]$", option.help), option.help


def _examples() -> list[str]:
    found = []
    for path in PATHS:
        epilog = context_of(path, help_only=True).command.epilog or ""
        found += [line.strip() for line in epilog.splitlines() if line.startswith("  ")]
    return found


@pytest.mark.parametrize("example", _examples())
def test_each_example_is_a_valid_command_line(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jobs.jsonl").touch()
    monkeypatch.setenv("INTAKE_CONFIG", "")  # --config of an example sets it
    monkeypatch.chdir(tmp_path)
    program, *words = shlex.split(example.partition(" > ")[0])
    assert program == "intake"
    context = context_of(tuple(words), help_only=False)
    assert not isinstance(context.command, click.Group) or context.command.invoke_without_command
    context.close()


def test_the_groups_have_all_commands_once_in_the_order_of_a_day() -> None:
    assert [*GROUPS] == ["Start", "Look", "Act", "Fix", "Prove"]
    assert len(COMMANDS) == sum(map(len, GROUPS.values()))
    lines = _help((), 80)
    at = [lines.index(f"{group}:") for group in GROUPS]
    assert at == sorted(at)

"""No character of an order or a record changes what a terminal shows."""

from __future__ import annotations

import io
import sys
import unicodedata

import click
import pytest
from click.testing import CliRunner
from rich.console import Console

from worker.cli import main
from worker.cli.terminal import escaped_output
from worker.telemetry.printable import printable


def test_all_characters_that_a_terminal_obeys_or_hides_are_escaped_and_no_others() -> None:
    hidden = {"Cc", "Cf", "Zl", "Zp", "Cs"}
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if unicodedata.category(character) in hidden and character not in "\t\n":
            assert printable(character).startswith("\\u"), hex(code)
        elif unicodedata.category(character) not in {"Cn", *hidden}:
            assert printable(character) == character, hex(code)


@pytest.mark.parametrize(
    ("character", "shown"),
    [
        ("\u202e", r"\u202e"),
        ("\x85", r"\u0085"),
        ("\x1b", r"\u001b"),
        ("\x07", r"\u0007"),
        ("\ud83d", r"\ud83d"),
        ("\U000e0041", r"\udb40\udc41"),
    ],
)
def test_a_command_prints_escapes(character: str, shown: str) -> None:
    @click.command("odd")
    def odd() -> None:
        click.echo(f"a{character}b")
        Console(highlight=False).print(f"c{character}d", markup=False)
        click.echo(f"e{character}f", err=True)

    main.add_command(odd)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(main), "get_command", lambda *_: odd)
            result = CliRunner().invoke(main, ["odd"])
    finally:
        main.commands.pop("odd")
    assert f"a{shown}b" in result.output
    assert f"e{shown}f" in result.output
    if character != "\x07":  # Rich removes it
        assert f"c{shown}d" in result.output


def test_a_style_in_a_text_that_a_command_echoes_does_not_reach_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdout", terminal)
    with escaped_output():
        click.echo("a\x1b[31m\rb")
    assert terminal.getvalue() == "a\\u001b[31m\\u000db\n"


def test_our_own_styles_reach_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdout", terminal)
    with escaped_output():
        Console(force_terminal=True, color_system="standard").print("[red]x\u202e[/]")
    assert terminal.getvalue() == "\x1b[31mx\\u202e\x1b[0m\n"

"""Shell completion, as deploy/docs/commands.md sets it up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from support.programs import require_program
from worker.cli import main

PAGE = (Path(__file__).parents[2] / "deploy" / "docs" / "commands.md").read_text(encoding="utf-8")
LINES = {
    "bash": 'eval "$(_INTAKE_COMPLETE=bash_source intake)"',
    "zsh": 'eval "$(_INTAKE_COMPLETE=zsh_source intake)"',
    "fish": "_INTAKE_COMPLETE=fish_source intake \\| source",
}


def completed(shell: str, line: str) -> list[str]:
    """Return what the shell is offered for the last word of a command line."""
    words = line.split(" ")
    number = {"COMP_CWORD": words[-1] if shell == "fish" else str(len(words) - 1), "COMP_WORDS": line}
    environ = {"_INTAKE_COMPLETE": f"{shell}_complete"} | number
    return CliRunner().invoke(main, prog_name="intake", env=environ).output.split()


@pytest.mark.parametrize("shell", LINES)
def test_the_page_has_the_line_for_each_shell_and_commands_are_completed(shell: str) -> None:
    assert LINES[shell] in PAGE
    assert any("status" in word for word in completed(shell, "intake sta"))


def test_subcommands_options_and_topics_are_completed() -> None:
    assert "plain,replay" in completed("bash", "intake dead re")
    assert "plain,--dry-run" in completed("bash", "intake dead replay --dry")
    assert "plain,going-live" in completed("bash", "intake docs goi")


def test_bash_accepts_the_line_of_the_page(tmp_path: Path) -> None:
    require_program("bash")
    program = tmp_path / "intake"
    code = "from worker.cli import main; main(prog_name='intake')"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}" "$@"\n')
    program.chmod(0o755)
    script = f"{LINES['bash']}; complete -p intake"
    environ = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], env=environ, capture_output=True, text=True, check=True)
    assert "-F _intake_completion" in done.stdout

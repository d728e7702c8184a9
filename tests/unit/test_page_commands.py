"""Every command on a page is one that exists: an option that was renamed, or a target that is gone, fails here."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import click
import pytest

from support.click_contexts import context_of
from support.page_commands import PageCommand, page_commands
from support.source_texts import ROOT

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = list(page_commands())
#: Programs of others that a reader needs, and what the shell does itself.
OTHERS = {
    *("(umask", "apt-get", "cat", "curl", "docker", "export", "make", "mkdir", "mv", "pip", "printf", "pytest"),
    *("PYTHONPATH=tests", "python", "redis-cli", "systemctl", "touch", "vi"),
}


def words_of(line: str) -> list[str]:
    """Return the words of a command without variables before it, its comment, and what is done with its output."""
    words = shlex.split(line, comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]) and words[0] != "PYTHONPATH=tests":
        words.pop(0)
    ends = [number for number, word in enumerate(words) if word in {"|", ">", "<", "&&"}]
    return words[: ends[0]] if ends else words


def test_every_page_with_commands_is_read() -> None:
    counts = {page: sum(command.page == page for command in COMMANDS) for page in {each.page for each in COMMANDS}}
    assert counts["deploy/docs/tutorial.md"] > 10
    assert counts["deploy/docs/commands.md"] > 20
    assert len(counts) > 25


@pytest.mark.parametrize("command", [each for each in COMMANDS if "intake" in words_of(each.line)[:1]], ids=str)
def test_each_command_of_intake_on_a_page_is_valid(
    command: PageCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("jobs.jsonl", "run", "demo/journals"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).mkdir() if name.endswith(("run", "journals")) else (tmp_path / name).touch()
    monkeypatch.setenv("INTAKE_CONFIG", "")
    monkeypatch.chdir(tmp_path)
    context = context_of(tuple(words_of(command.line)[1:]), help_only=False)
    assert not isinstance(context.command, click.Group) or context.command.invoke_without_command
    context.close()


def test_each_other_command_on_a_page_is_known() -> None:
    first = {(words_of(each.line) or ["variables"])[0] for each in COMMANDS}
    assert first - OTHERS == {"intake", "variables"}


def test_each_target_of_make_on_a_page_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = {words_of(each.line)[1] for each in COMMANDS if words_of(each.line)[:1] == ["make"]}
    assert len(targets) > 5
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []

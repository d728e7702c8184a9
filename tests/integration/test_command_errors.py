"""Every failing command reports the fault, its place and a remedy, and exits with 1 (error) or 2 (usage)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.command_line import intake
from support.settings_texts import NO_REDIS, Configured

if TYPE_CHECKING:
    from pathlib import Path


#: Every command that reads the ledger, with known names.
COMMANDS = [
    ["status"],
    ["status", "--json"],
    ["show", "shop:1"],
    ["poll", "shop"],
    ["poll", "shop", "--dry-run"],
    ["cursor", "show", "shop"],
    ["cursor", "set", "shop", "--since", "7d", "--yes"],
    ["cursor", "undo", "shop", "--yes"],
    ["pause", "shop"],
    ["resume", "shop"],
    ["release", "dropday"],
    ["dead", "list"],
    ["dead", "replay", "--all", "--yes"],
    ["doubt", "list"],
    ["doubt", "ask"],
    ["inbox", "list"],
]
#: Commands with an unknown name.
UNKNOWN = [
    ["poll", "nobody"],
    ["cursor", "show", "nobody"],
    ["cursor", "set", "nobody", "--since", "7d"],
    ["release", "nobody"],
    ["dead", "list", "--target", "nobody"],
    ["doubt", "ask", "nobody"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_each_command_names_the_path_of_a_missing_settings_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setenv("INTAKE_CONFIG", str(tmp_path / "none.toml"))
    result = intake(*words)
    assert result.exit_code == 2
    assert "does not exist. Write it (" in result.output
    assert "intake init" in result.output


@pytest.mark.parametrize("words", COMMANDS[:1] + COMMANDS[4:5], ids=" ".join)
def test_a_command_reports_an_unreachable_redis_in_one_line(configured: Configured, words: list[str]) -> None:
    configured.write(redis_url=NO_REDIS)
    result = intake(*words)
    assert result.exit_code == 1
    assert result.output.startswith("Error: Redis does not respond: ")
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize("words", UNKNOWN, ids=" ".join)
def test_an_unknown_name_is_refused_with_the_known_names(configured: Configured, words: list[str]) -> None:
    configured.write()
    result = intake(*words)
    assert result.exit_code == 2
    assert "Choose from: " in result.output


def test_a_dry_run_reports_an_unreachable_account_in_one_line(configured: Configured) -> None:
    configured.write()
    result = intake("poll", "shop", "--dry-run")
    assert (result.exit_code, isinstance(result.exception, SystemExit)) == (1, True)
    assert result.output.startswith("Error: GET /api/v5/")
    assert "intake check" in result.output

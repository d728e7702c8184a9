"""A file with variables that the settings name: never implied, its bad lines by number, no value in any message."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.settings_files import ENV, GOOD, CrmOptions, problems, read
from worker.cli.setup.check import examine_settings
from worker.settings.env_file import parse_env_file
from worker.settings.needs import NOTHING

if TYPE_CHECKING:
    from pathlib import Path

NAMED = f'[secrets]\nenv_file = ".env"\n{GOOD}'


def write(folder: Path, text: str, mode: int = 0o600) -> None:
    (folder / ".env").write_text(text)
    (folder / ".env").chmod(mode)


def key_of(folder: Path, text: str = NAMED, **environ: str) -> str:
    options = read(folder, text, environ={"KEY": "", **environ}).providers["shop-nl"].options
    assert isinstance(options, CrmOptions)
    return options.api_key.get_secret_value()


def test_a_variable_comes_from_the_file_that_the_settings_name(tmp_path: Path) -> None:
    write(tmp_path, "# keys\n\nexport KEY = 'from the file'\nOTHER=x\n")
    assert key_of(tmp_path) == "from the file"


def test_the_environment_has_precedence(tmp_path: Path) -> None:
    write(tmp_path, "KEY=from-the-file\n")
    assert key_of(tmp_path, KEY="from-the-environment") == "from-the-environment"


def test_a_file_that_the_settings_do_not_name_has_no_effect(tmp_path: Path) -> None:
    write(tmp_path, "KEY=from-the-file\n")
    found = problems(tmp_path, GOOD, environ={})
    assert len(found) == 2
    assert all(text.endswith("KEY is not set. Set it before the start: export KEY=…") for text in found)


def test_the_file_is_read_again_with_the_settings(tmp_path: Path) -> None:
    write(tmp_path, "KEY=old-value\n")
    assert key_of(tmp_path) == "old-value"
    write(tmp_path, "KEY=new-value\n")
    assert key_of(tmp_path) == "new-value"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("s3cret", "is not NAME=VALUE"),
        ("1KEY=s3cret", "is not NAME=VALUE"),
        ("=s3cret", "is not NAME=VALUE"),
        ("OTHER='s3cret", "has a quote that does not end"),
        ('OTHER="s3"cret"', "has a quote that does not end"),
        ("KEY=s3cret", "repeats the name of line 1"),
    ],
)
def test_a_bad_line_is_named_by_its_number_and_quotes_nothing(tmp_path: Path, line: str, reason: str) -> None:
    write(tmp_path, f"KEY=k-123456\n\n{line}\n")
    assert problems(tmp_path, NAMED, environ={}) == [f"secrets.env_file: line 3 of .env {reason}. Write NAME=VALUE."]


def test_a_missing_file_and_a_missing_variable_name_the_file(tmp_path: Path) -> None:
    assert problems(tmp_path, NAMED)[0].startswith("secrets.env_file: the file .env does not exist. Create it")
    write(tmp_path, "OTHER=x\n")
    assert problems(tmp_path, NAMED, environ={})[0].endswith("KEY is not set. Add to .env: KEY=…")
    (tmp_path / ".env").unlink()
    (tmp_path / ".env").mkdir()
    assert problems(tmp_path, NAMED)[0].startswith("secrets.env_file: the file .env cannot be read: is a directory.")


def test_commands_that_call_no_account_work_with_a_broken_file(tmp_path: Path) -> None:
    write(tmp_path, "s3cret\n")
    settings = read(tmp_path, NAMED, environ=ENV, needs=NOTHING)
    assert "secrets.env_file" in settings.unset


@pytest.mark.parametrize(("mode", "remedies"), [(0o600, []), (0o640, ["chmod 600 .env"]), (0o604, ["chmod 600 .env"])])
def test_check_warns_of_a_file_that_others_can_read(tmp_path: Path, mode: int, remedies: list[str]) -> None:
    write(tmp_path, "KEY=k-123456\n", mode)
    findings = list(examine_settings(read(tmp_path, NAMED, environ={})))
    assert [finding.remedy for finding in findings if finding.state == "warning"] == remedies


@given(st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True), st.text()))
def test_what_is_written_in_quotes_is_read_back(variables: dict[str, str]) -> None:
    kept = {name: value for name, value in variables.items() if "'" not in value and len(value.splitlines()) < 2}
    kept = {name: value for name, value in kept.items() if value == "".join(value.splitlines())}
    assert parse_env_file(os.linesep.join(f"{name}='{value}'" for name, value in kept.items())) == (kept, [])

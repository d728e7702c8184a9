"""deploy/docs/errors.md covers every code, log line, alarm and refusal in the code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from support import source_texts
from worker.operations.reasons import REASONS
from worker.store.redis.states import STATES

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = (source_texts.ROOT / "deploy" / "docs" / "errors.md").read_text()
#: Codes of outcomes without an error: the ledger or an operator sets them.
SET = {"changed", "combined", "reference", "unrouted", "poison", "bug", "given_up", "dropped", "erased"}


def words_in(section: str) -> set[str]:
    """Return the code spans in the first column of a section's table."""
    rows = re.findall(r"^\| (.+?) \|", PAGE.split(f"## {section}")[1].split("\n## ")[0], re.MULTILINE)
    return set(re.findall(r"`([^`]+)`", " ".join(rows)))


@pytest.mark.parametrize(
    ("section", "codes", "least"),
    [
        ("Codes", lambda: source_texts.codes() | SET, 20),
        ("Log lines", source_texts.events, 20),
        ("Alarms", lambda: source_texts.alarms() - {"_silent"} | {"beat_silent", "upkeep_silent"}, 20),
    ],
)
def test_the_page_lists_exactly_those_in_the_code(section: str, codes: Callable[[], set[str]], least: int) -> None:
    assert len(codes()) >= least
    assert words_in(section) == codes()


def test_each_reason_for_which_a_setting_is_refused_is_explained() -> None:
    reasons, explained = source_texts.reasons(), PAGE.split("## Settings that are refused")[1]
    assert len(reasons) > 55
    assert [reason for reason in sorted(reasons) if reason not in explained] == []


def test_the_report_has_plain_words_for_each_code() -> None:
    never = {"config", "store_full", "store_frozen", "lease_lost", "snoozed", "dropped", "erased"}
    assert {code for code in source_texts.codes() | SET if code not in REASONS} <= never


def test_every_command_on_the_page_exists() -> None:
    from worker.cli import COMMANDS

    commands = set(re.findall(r"`intake ([a-z]+)", PAGE))
    assert len(commands) > 8
    assert commands <= COMMANDS.keys()


def test_the_page_lists_each_state_of_redis_with_its_remedy() -> None:
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", PAGE.split("## States of Redis")[1].split("\n## ")[0], re.MULTILINE)
    assert rows[1:] == [(state.sentence, state.remedy) for state in STATES.values()]

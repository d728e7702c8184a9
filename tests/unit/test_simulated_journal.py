"""A simulated history ends with the history checker, which finds what is planted in its journal."""

from __future__ import annotations

import pytest

from simulation.journal import Journal, faults

RULES = {("shop", "depot"): {"updates", "cancels"}}
PLANTED = {
    "lost": [("shop", "shop", "added", "2", "fine 1")],
    "duplicated": [("depot", "depot", "created", "shop:1", "fine 1")],
    "wrong": [("depot", "depot", "changed", "shop:1", "fine 9")],
    "outdated": [("shop", "shop", "changed", "1", "fine 2")],
    "uncancelled": [("shop", "shop", "changed", "1", "cancelled 1")],
    "unwanted": [("shop", "shop", "added", "2", "test 1"), ("depot", "depot", "created", "shop:2", "test 1")],
    "unknown": [("depot", "depot", "created", "shop:2", "fine 1")],
}


def planted(fault: str, excused: set[str], *, lost: bool = False) -> list[str]:
    journal = Journal(lambda: len(journal.entries) * 1_000_000)
    journal.note("shop", "shop", "added", "1", "fine 1")
    journal.note("depot", "depot", "created", "shop:1", "fine 1")
    for entry in PLANTED.get(fault, []):
        journal.note(*entry)
    return faults(journal, RULES, {"depot": excused}, lost=lost)


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_named(fault: str) -> None:
    (found,) = planted(fault, set())
    assert found.startswith(f"depot: {fault}: ")
    assert planted(fault, {"shop:1", "shop:2"}) == []


@pytest.mark.parametrize("fault", ["outdated", "uncancelled"])
def test_a_ledger_that_was_lost_does_not_know_what_was_not_sent(fault: str) -> None:
    assert planted(fault, set(), lost=True) == []


def test_a_history_without_faults_is_clean() -> None:
    assert planted("none", set()) == []

"""deploy/docs/guarantees.md names existing tests for each promise."""

from __future__ import annotations

import re

from support import source_texts

PAGE = (source_texts.ROOT / "deploy" / "docs" / "guarantees.md").read_text()


def test_each_promise_names_its_mechanism_its_tests_and_its_limits() -> None:
    promises = [section for section in PAGE.split("\n## ")[1:] if not section.startswith("The crash matrix")]
    assert len(promises) >= 9
    for promise in promises:
        assert promise.count("**Mechanism:**") == 1, promise
        assert promise.count("**Limit:**") == 1, promise
        assert "`test_" in promise.split("**Proof:**")[1], promise


def test_the_readme_repeats_the_result_of_the_matrix() -> None:
    [result] = re.findall(r"(?m)^(\d+ cells: \d+ green, \d+ with a limit, 0 red)\.$", PAGE)
    assert result in (source_texts.ROOT / "README.md").read_text()


def test_the_tests_that_the_page_names_exist() -> None:
    tests = "\n".join(file.read_text() for file in (source_texts.ROOT / "tests").rglob("test_*.py"))
    existing = set(re.findall(r"def (test_\w+)\(", tests))
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 20
    assert named <= existing

"""A test that is skipped for a program that is missing says what to install."""

from __future__ import annotations

import pytest

from support import source_texts
from support.programs import PACKAGES, missing, require_program


def test_what_is_missing_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    assert missing("ip", "helm") == (
        "ip is not installed (Debian: iproute2); helm is not installed (helm.sh/docs/intro/install)"
    )
    with pytest.raises(pytest.skip.Exception, match=r"promtool is not installed \(Debian: prometheus\)"):
        require_program("promtool")


def test_a_program_that_is_there_is_not_missing() -> None:
    assert missing("sh") == ""


def test_no_test_looks_for_a_program_in_its_own_way() -> None:
    files = {file: file.read_text() for file in (source_texts.ROOT / "tests").rglob("*.py")}
    own = [file.name for file, text in files.items() if "shutil" + ".which(" in text]
    assert sorted(own) == ["programs.py", "rabbit.py"], "rabbit.py looks for the script behind Debian's wrapper"
    assert [name for name, brings in PACKAGES.items() if not brings] == []

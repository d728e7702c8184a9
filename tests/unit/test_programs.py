"""A test that is skipped because a program is missing names the package to install."""

from __future__ import annotations

import pytest

from support import source_texts
from support.programs import PACKAGES, missing, require_program


def test_a_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    assert missing("ip", "helm") == (
        "ip is not installed (Debian: iproute2); helm is not installed (helm.sh/docs/intro/install)"
    )
    with pytest.raises(pytest.skip.Exception, match=r"promtool is not installed \(Debian: prometheus\)"):
        require_program("promtool")


def test_an_installed_program_is_not_missing() -> None:
    assert missing("sh") == ""


def test_all_tests_search_for_programs_with_the_shared_function() -> None:
    files = {file: file.read_text() for file in (source_texts.ROOT / "tests").rglob("*.py")}
    own = [file.name for file, text in files.items() if "shutil" + ".which(" in text]
    assert sorted(own) == ["programs.py", "rabbit.py"], "rabbit.py searches for the script behind Debian's wrapper"
    assert [name for name, brings in PACKAGES.items() if not brings] == []

"""Every text that a person reads, line by line: pages, messages, templates, dashboards and examples of settings."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from support.source_texts import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Files that are read as they are.
WHOLE = (
    "README.md",
    "CHANGELOG.md",
    "Makefile",
    ".github/*.md",
    "deploy/*.example",
    "deploy/*.conf",
    "deploy/*.yaml",
    "deploy/docs/*.md",
    "deploy/docs/decisions/*.md",
    "deploy/docs/fields/*.md",
    "deploy/docs/pictures/*.svg",
    "deploy/grafana/dashboards/*.json",
    "deploy/helm/intake/*.yaml",
    "deploy/helm/intake/templates/*",
    "deploy/producers/*",
    "deploy/prometheus/*",
    "deploy/systemd/*",
    "worker/web/templates/*",
)
#: Modules whose strings are messages. Comments and docstrings are for developers.
MODULES = ("worker/**/*.py", "tasks/*.py", "schemas/*.py")
#: Modules with names in the languages of the systems.
FOREIGN = {
    "schemas/country_forms.py",
    "schemas/remarks.py",
    "schemas/retailcrm_texts.py",
    "worker/systems/retailcrm/statuses.py",
}
#: A docstring, a comment, or a string (group 1).
_TOKEN = re.compile(r'"""(?s:.*?)"""|#[^\n]*|"((?:[^"\\\n]|\\.)*)"')
#: Parts that nobody reads: expressions in templates and f-strings, tags, attributes and addresses.
_CODE = re.compile(r"\{[^{}]*\}|</?[a-z][^<>]*>|\]\([^()\s]*\)")


def _files(patterns: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    for pattern in patterns:
        for path in sorted(ROOT.glob(pattern)):
            name = str(path.relative_to(ROOT))
            if path.is_file() and name not in FOREIGN:
                yield name, path


def _strings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the strings of a module with more than one word, and their lines."""
    source = path.read_text(encoding="utf-8")
    for match in _TOKEN.finditer(source):
        if match[1] and " " in match[1]:
            yield source.count("\n", 0, match.start()) + 1, match[1]


@cache
def reader_texts() -> tuple[tuple[str, str], ...]:
    """Return each text with its place, such as ("README.md:12", "...")."""
    texts = [
        (f"{name}:{number}", _CODE.sub(" ", line.replace("&#160;", " ")))
        for name, path in _files(WHOLE)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    ]
    texts += [
        (f"{name}:{number}", _CODE.sub(" ", text)) for name, path in _files(MODULES) for number, text in _strings(path)
    ]
    return tuple(texts)

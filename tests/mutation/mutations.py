"""The list of mutations in the TOML files beside this module."""

from __future__ import annotations

import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]


@dataclass(frozen=True, slots=True)
class Mutation:
    """One mutation: in `file`, `old` becomes `new`; the `tests` must detect that the `promise` is broken."""

    name: str
    promise: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def broken(self, text: str) -> str:
        """Return the text with the mutation; raise ValueError unless `old` occurs exactly once."""
        if (occurrences := text.count(self.old)) != 1:
            raise ValueError(f"{self.name}: the text occurs {occurrences} times in {self.file}")
        return text.replace(self.old, self.new)

    def arguments(self) -> list[str]:
        """Return pytest's arguments: `integration/test_lanes::test_x` is a test of tests/integration/test_lanes.py."""
        words = [shlex.split(test) for test in self.tests]
        return [_path(first) for first, *_ in words] + [word for _, *rest in words for word in rest]


def _path(test: str) -> str:
    name, colons, function = test.partition("::")
    return f"tests/{name}.py{colons}{function}"


def mutations() -> list[Mutation]:
    """Return all mutations, in the order of the files."""
    loaded = []
    for file in sorted(HERE.glob("*.toml")):
        for name, fields in tomllib.loads(file.read_text(encoding="utf-8")).items():
            loaded.append(Mutation(name, **{**fields, "tests": tuple(fields["tests"])}))
    return loaded

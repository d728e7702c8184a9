"""Reads the sandbox's journals line by line, and says what in them cannot be read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


@dataclass(slots=True)
class Reading:
    """What became of the lines of some files; each damage names its file and line."""

    lines: int = 0
    #: Files whose last line is cut: whoever wrote it was killed. Nothing came of it, or a whole line would tell.
    cut: list[str] = field(default_factory=list)
    #: Lines that are no JSON, or that are missing: with these, nothing is proven.
    damaged: list[str] = field(default_factory=list)


def files(folder: Path) -> list[Path]:
    """The journals of a folder, by name."""
    return sorted(folder.glob("*.jsonl"))


def entries(paths: Iterable[Path], reading: Reading) -> Iterator[dict[str, Any]]:
    """All lines of the files; each with the `run` that it is of (the sandbox's word for whose digests compare)."""
    for path in paths:
        run, before, broken = "", 0, ""
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                place = f"{path.name}: line {number}"
                entry = _entry(line)
                if entry is None:
                    broken = place
                    continue
                if entry.get("kind") == "run":
                    run, before = str(entry["run"]), entry.get("seq", 0) - 1
                    if broken:
                        reading.cut.append(broken)
                        broken = ""
                elif "seq" in entry and entry["seq"] != before + 1:
                    reading.damaged.append(f"{place}: {entry['seq']} comes after {before}")
                    broken = ""
                if broken:
                    reading.damaged.append(f"{broken}: it is no JSON")
                    broken = ""
                before = entry.get("seq", before)
                reading.lines += 1
                yield entry | {"run": run}
        if broken:
            reading.cut.append(broken)


def _entry(line: bytes) -> dict[str, Any] | None:
    """One line, or None if it is not whole."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and line.endswith(b"\n") else None

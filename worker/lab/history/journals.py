"""Read the simulator's journals line by line, and list their unreadable lines."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


@dataclass(slots=True)
class Reading:
    """The lines that were read; each damage names its file and line."""

    lines: int = 0
    #: Files whose last line is incomplete because the writer was killed. That line had no effect.
    cut: list[str] = field(default_factory=list)
    #: Lines that are not JSON or missing. With any of them nothing is proven.
    damaged: list[str] = field(default_factory=list)


def files(folder: Path) -> list[Path]:
    """Return the journals of a folder, ordered by name."""
    return sorted(folder.glob("*.jsonl"))


def entries(paths: Iterable[Path], reading: Reading) -> Iterator[dict[str, Any]]:
    """Yield all lines of the files, each with its `run`: only digests of the same run can be compared."""
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
                    reading.damaged.append(f"{broken}: it is not JSON")
                    broken = ""
                before = entry.get("seq", before)
                reading.lines += 1
                yield entry | {"run": run}
        if broken:
            reading.cut.append(broken)


def _entry(line: bytes) -> dict[str, Any] | None:
    """Return a parsed line, or None for an incomplete one."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and line.endswith(b"\n") else None

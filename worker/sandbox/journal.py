"""What was asked of the sandbox, line by line, with what came of it."""

from __future__ import annotations

import json
import os
import time
from collections import Counter, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Journal:
    """One JSON line per request, and one per effect at the moment it takes place.

    A line has `seq`, `mono` and `wall` (seconds), `kind` (`request` or `effect`), `system`, `account`, `did`,
    `external_id`, `reference`; a request also `method`, `path` (without its query), `status` (0: the connection was
    cut), `address`, `fault`. With a file, each line is handed to the operating system at once, so a killed process
    keeps all of them. The memory holds the newest `keep` lines.
    """

    def __init__(self, file: Path | None = None, keep: int = 500_000) -> None:
        self._lines: deque[tuple[int, str]] = deque(maxlen=keep)
        self._seq = 0
        self._fd = None if file is None else os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.counts: Counter[tuple[str, str, str]] = Counter()

    def request(  # noqa: PLR0913  # a journal line has that many columns
        self,
        system: str,
        account: str,
        *,
        method: str,
        path: str,
        did: str,
        status: int,
        address: str,
        external_id: str | None = None,
        reference: str | None = None,
        fault: str | None = None,
    ) -> None:
        """Note one request and how it was answered."""
        self.counts[system, "request", did] += 1
        self._write(
            {
                "kind": "request",
                "system": system,
                "account": account,
                "did": did,
                "external_id": external_id,
                "reference": reference,
                "method": method,
                "path": path,
                "status": status,
                "address": address,
                "fault": fault,
            }
        )

    def effect(self, system: str, account: str, did: str, external_id: str | None, reference: str | None) -> None:
        """Note that something was written: `created`, `added` (by the sandbox itself), `changed`, `deleted`."""
        self.counts[system, "effect", did] += 1
        self._write(
            {
                "kind": "effect",
                "system": system,
                "account": account,
                "did": did,
                "external_id": external_id,
                "reference": reference,
            }
        )

    def _write(self, entry: dict[str, object]) -> None:
        self._seq += 1
        line = _dump({"seq": self._seq, "mono": time.monotonic(), "wall": time.time(), **entry})
        self._lines.append((self._seq, line))
        if self._fd is not None:
            os.write(self._fd, line.encode() + b"\n")

    def since(self, seq: int) -> str:
        """The lines after `seq` as one JSON document: `{"entries": [...], "next": seq}`."""
        newest = len(self._lines) - max(0, self._seq - seq)
        skip = max(0, newest)
        entries = ",".join(line for n, (_, line) in enumerate(self._lines) if n >= skip)
        return f'{{"entries":[{entries}],"next":{self._seq}}}'

    def tally(self, system: str) -> dict[str, dict[str, int]]:
        """How often each thing was done: `{"request": {...}, "effect": {...}}`."""
        result: dict[str, dict[str, int]] = {"request": {}, "effect": {}}
        for (name, kind, did), count in self.counts.items():
            if name == system:
                result[kind][did] = count
        return result

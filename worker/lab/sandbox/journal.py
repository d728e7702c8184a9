"""The journal: every request to the simulator and every change to an order, line by line."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import secrets
import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from worker.lab.sandbox.standing import Standing

_DIGEST: Final = 6

_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Journal:
    """Writes one JSON line per request when it is answered, and one per effect at the moment it takes place.

    A line has `seq`, `mono` and `wall` (seconds), `kind` (`request` or `effect`), `system`, `account`, `did`,
    `external_id`, `reference`; a request also has `method`, `path` (without its query), `status` (0: the connection
    was cut), `address`, `fault`, `arrived` (as `mono`). With a file, each line is passed to the operating system at
    once, so that a killed process loses none; and

    - an effect has `version` (1, and one more with each change of the order) and `fields`: a digest of each field of
      the order's essence (essence.py). The salt of the digests is stored nowhere, so no value can be recovered by
      trying out candidates. It has a `standing` (standing.py), unless the order is live.
    - a change that a person made, not a call of the API, has `by`: `person`.
    - the first line has the `kind` `run`, with an id of the salt: digests are comparable within one run.
    - a line of the `kind` `limit` states how many `calls` of one address a system accepts in any `window` (seconds;
      0: no limit) from then on.

    Memory holds the newest `keep` lines. In a folder, each process writes a file of its own.
    """

    def __init__(self, path: Path | None = None, salt: str = "", keep: int = 500_000) -> None:
        self._lines: deque[str] = deque(maxlen=keep)
        self._seq = 0
        self._fd = None if path is None else _open_for_append(path)
        self._salt = hashlib.blake2b((salt or secrets.token_hex()).encode()).digest()
        #: Versions of the orders that were changed.
        self._versions: dict[tuple[str, str, str | None], int] = {}
        self.counts: Counter[tuple[str, str, str]] = Counter()
        if self._fd is not None:
            self._write({"kind": "run", "run": self._digest("run")})

    def limit(self, system: str, calls: int, window: float) -> None:
        """Note the limit that a system enforces from now on."""
        if self._fd is not None:
            self._write({"kind": "limit", "system": system, "calls": calls, "window": window})

    def request(self, system: str, account: str, did: str, **columns: str | float | None) -> None:
        """Note one request and its response, in the columns of a request."""
        self.counts[system, "request", did] += 1
        self._write({"kind": "request", "system": system, "account": account, "did": did, **columns})

    def effect(
        self,
        system: str,
        account: str,
        did: str,
        read: Callable[[], tuple[Mapping[str, str], Standing]],
        **columns: str | None,
    ) -> None:
        """Note a write in the columns of an effect: `created`, `added` (by the simulator), `changed` or `deleted`.

        `read` returns essence and standing of the order from now on; it is called only if the journal has a file.
        """
        self.counts[system, "effect", did] += 1
        entry: dict[str, object] = {"kind": "effect", "system": system, "account": account, "did": did, **columns}
        if self._fd is not None:
            key = system, account, columns["reference"]
            if did == "changed":
                self._versions[key] = self._versions.get(key, 1) + 1
            entry["version"] = self._versions.get(key, 1)
            if did != "deleted":
                essence, standing = read()
                entry["fields"] = {name: self._digest(f"{name}={text}") for name, text in essence.items()}
                if standing != "live":
                    entry["standing"] = standing
        self._write(entry)

    def _digest(self, text: str) -> str:
        return hashlib.blake2b(text.encode(), key=self._salt, digest_size=_DIGEST).hexdigest()

    def _write(self, entry: dict[str, object]) -> None:
        self._seq += 1
        line = _dump({"seq": self._seq, "mono": time.monotonic(), "wall": time.time(), **entry})
        self._lines.append(line)
        if self._fd is not None:
            os.write(self._fd, line.encode() + b"\n")

    def since(self, seq: int) -> str:
        """Return the lines after `seq` as one JSON document: `{"entries": [...], "next": seq}`."""
        skip = max(0, len(self._lines) - max(0, self._seq - seq))
        entries = ",".join(itertools.islice(self._lines, skip, None))
        return f'{{"entries":[{entries}],"next":{self._seq}}}'

    def tally(self, system: str) -> dict[str, dict[str, int]]:
        """Return how often each thing was done: `{"request": {...}, "effect": {...}}`."""
        return {
            kind: {did: count for (*key, did), count in self.counts.items() if key == [system, kind]}
            for kind in ("request", "effect")
        }


def _open_for_append(path: Path) -> int:
    """Open a file to append whole lines; the unfinished line of a killed process is ended first."""
    if not path.suffix:
        path.mkdir(parents=True, exist_ok=True)
        path /= f"sandbox-{time.time_ns()}.jsonl"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    size = os.fstat(handle).st_size
    if size and os.pread(handle, 1, size - 1) != b"\n":
        os.write(handle, b"\n")
    return handle

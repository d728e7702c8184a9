"""The orders of both sides in a temporary file: a digest of each field, never its text."""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

#: Bytes of the digest of one field.
_SIZE: Final = 8
#: The digest of an empty field.
_NOTHING: Final = bytes(_SIZE)
#: The rows of one query.
_AT_ONCE: Final = 500
_TABLES: Final = """
pragma journal_mode = off; pragma synchronous = off; pragma cache_size = -8000;
create table source (ref text primary key, id text, expected int, recent int, view blob) without rowid;
create table target (id text primary key, ref text, at real, view blob) without rowid;
create index by_ref on target (ref);
"""


class Candidate(NamedTuple):
    """An order that looks wrong: its reference, its id in the source ("" if unknown) and its ids in the target.

    `recent`: it changed recently, so the difference may still be on its way.
    """

    reference: str
    external_id: str
    target_ids: tuple[str, ...] = ()
    recent: bool = False


class Spill:
    """A SQLite file for one run. The digests are keyed by a secret of the run, so that they cannot be guessed."""

    def __init__(self) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="intake-reconcile-")
        #: The folder of the run.
        self.path = Path(self._home.name)
        self._db = sqlite3.connect(self.path / "spill.sqlite", isolation_level=None)
        self._db.executescript(_TABLES)
        self._secret = secrets.token_bytes(16)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()
        self._home.cleanup()

    def digest(self, view: Mapping[str, str]) -> bytes:
        """Return a digest of each field of a view, in their order."""
        return b"".join(
            hashlib.blake2b(text.encode(), digest_size=_SIZE, key=self._secret).digest() if text else _NOTHING
            for text in view.values()
        )

    def add_source(self, rows: Iterable[tuple[str, str, bool, bytes]]) -> None:
        """Add rows of reference, id, whether the target must have it, and digest. The last row of an order counts."""
        self._write("insert or replace into source values (?, ?, ?, 0, ?)", rows)

    def add_recent(self, rows: Iterable[tuple[str, str, bool, bytes]]) -> None:
        """Add rows as `add_source` does, of orders that changed recently: the target may not have the change yet."""
        self._write("insert or replace into source values (?, ?, ?, 1, ?)", rows)

    def add_target(self, rows: Iterable[tuple[str, str, float, bytes]]) -> None:
        """Add rows of the target's own id, the reference, the Unix time of the order, and digest."""
        self._write("insert or replace into target values (?, ?, ?, ?)", rows)

    def _write(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        self._db.execute("begin")
        self._db.executemany(statement, rows)
        self._db.execute("commit")

    def missing(self) -> Iterator[Candidate]:
        """Yield the orders that the target must have and did not list."""
        return self._candidates(
            "select s.ref, s.id, '', s.recent from source s where s.expected and s.ref > ?"
            " and not exists (select 1 from target t where t.ref = s.ref) order by s.ref limit ?"
        )

    def duplicated(self) -> Iterator[Candidate]:
        """Yield the references that the target listed more than once."""
        return self._candidates(
            "select t.ref, s.id, json_group_array(t.id), s.recent from target t join source s on s.ref = t.ref"
            " where t.ref > ? group by t.ref having count(*) > 1 order by t.ref limit ?"
        )

    def different(self) -> Iterator[Candidate]:
        """Yield the orders that differ in a field that the source fills."""
        last: tuple[str, str] = ("", "")
        while rows := self._db.execute(
            "select s.ref, s.id, t.id, s.recent, s.view, t.view from source s join target t on t.ref = s.ref"
            " where (s.ref, t.id) > (?, ?) order by s.ref, t.id limit ?",
            (*last, _AT_ONCE),
        ).fetchall():
            for ref, own, target_id, recent, source, target in rows:
                if source != target and _differ(source, target):
                    yield Candidate(ref, own, (target_id,), bool(recent))
            last = (rows[-1][0], rows[-1][2])

    def unknown(self, since: float) -> Iterator[Candidate]:
        """Yield the references that only the target listed, of orders placed at or after `since`."""
        return self._candidates(
            "select t.ref, '', json_group_array(t.id), 0 from target t where t.ref > ? and t.at >= ?"
            " and not exists (select 1 from source s where s.ref = t.ref) group by t.ref order by t.ref limit ?",
            since,
        )

    def counts(self) -> tuple[int, int]:
        """Return the number of orders that the target must have, and of those that it listed."""
        query = "select (select count(*) from source where expected), (select count(*) from target)"
        expected, listed = self._db.execute(query).fetchone()
        return expected, listed

    def source_digest(self, reference: str) -> bytes | None:
        """Return the digest of an order as the source listed it."""
        row: Sequence[bytes] | None = self._db.execute("select view from source where ref = ?", (reference,)).fetchone()
        return row[0] if row else None

    def _candidates(self, query: str, *more: float) -> Iterator[Candidate]:
        """Yield candidates page by page, so that the file may change in between."""
        last = ""
        while rows := self._db.execute(query, (last, *more, _AT_ONCE)).fetchall():
            for ref, own, ids, recent in rows:
                yield Candidate(ref, own, tuple(json.loads(ids)) if ids else (), bool(recent))
            last = rows[-1][0]


def _differ(source: bytes, target: bytes) -> bool:
    return any(
        source[n : n + _SIZE] not in {_NOTHING, target[n : n + _SIZE]}
        for n in range(0, max(len(source), len(target)), _SIZE)
    )

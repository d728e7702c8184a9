"""What the two walks found, in a file of this run: a digest of each field, never the field."""

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
#: What is not said.
_NOTHING: Final = bytes(_SIZE)
#: Rows looked at in one go.
_AT_ONCE: Final = 500
_TABLES: Final = """
pragma journal_mode = off; pragma synchronous = off; pragma cache_size = -8000;
create table source (ref text primary key, id text, asked int, young int, said blob) without rowid;
create table target (id text primary key, ref text, at real, said blob) without rowid;
create index by_ref on target (ref);
"""


class Candidate(NamedTuple):
    """A pair that looked wrong: the reference, the source's id ("": unknown), the target's ids, young or not."""

    reference: str
    external_id: str
    target_ids: tuple[str, ...] = ()
    young: bool = False


class Spill:
    """A SQLite file that is gone with the run. Digests are keyed by a secret of the run: nobody can guess back."""

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
        """The fields of a view, each as a digest of its own, in their order."""
        return b"".join(
            hashlib.blake2b(text.encode(), digest_size=_SIZE, key=self._secret).digest() if text else _NOTHING
            for text in view.values()
        )

    def add_source(self, rows: Iterable[tuple[str, str, bool, bytes]]) -> None:
        """Reference, id, whether it must be in the target, digest; the later reading of an order counts."""
        self._write("insert or replace into source values (?, ?, ?, 0, ?)", rows)

    def add_young(self, rows: Iterable[tuple[str, str, bool, bytes]]) -> None:
        """The same, of orders that changed of late: the target may not have it yet."""
        self._write("insert or replace into source values (?, ?, ?, 1, ?)", rows)

    def add_target(self, rows: Iterable[tuple[str, str, float, bytes]]) -> None:
        """The target's own id, reference, when it was ordered (Unix), digest."""
        self._write("insert or replace into target values (?, ?, ?, ?)", rows)

    def _write(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        self._db.execute("begin")
        self._db.executemany(statement, rows)
        self._db.execute("commit")

    def missing(self) -> Iterator[Candidate]:
        """What must be there, and was not listed."""
        return self._candidates(
            "select s.ref, s.id, '', s.young from source s where s.asked and s.ref > ?"
            " and not exists (select 1 from target t where t.ref = s.ref) order by s.ref limit ?"
        )

    def doubled(self) -> Iterator[Candidate]:
        """What was listed more than once under one reference."""
        return self._candidates(
            "select t.ref, s.id, json_group_array(t.id), s.young from target t join source s on s.ref = t.ref"
            " where t.ref > ? group by t.ref having count(*) > 1 order by t.ref limit ?"
        )

    def different(self) -> Iterator[Candidate]:
        """What is not there as the source says it, by any field that it says."""
        last: tuple[str, str] = ("", "")
        while rows := self._db.execute(
            "select s.ref, s.id, t.id, s.young, s.said, t.said from source s join target t on t.ref = s.ref"
            " where (s.ref, t.id) > (?, ?) order by s.ref, t.id limit ?",
            (*last, _AT_ONCE),
        ).fetchall():
            for ref, own, target_id, young, there, here in rows:
                if there != here and _differ(there, here):
                    yield Candidate(ref, own, (target_id,), bool(young))
            last = (rows[-1][0], rows[-1][2])

    def unknown(self, since: float) -> Iterator[Candidate]:
        """What was listed in the target, ordered at or after `since`, and not in the source."""
        return self._candidates(
            "select t.ref, '', json_group_array(t.id), 0 from target t where t.ref > ? and t.at >= ?"
            " and not exists (select 1 from source s where s.ref = t.ref) group by t.ref order by t.ref limit ?",
            since,
        )

    def counts(self) -> tuple[int, int]:
        """Orders that must be in the target, and orders that were listed there."""
        (asked,) = self._db.execute("select count(*) from source where asked").fetchone()
        (listed,) = self._db.execute("select count(*) from target").fetchone()
        return asked, listed

    def said(self, reference: str) -> bytes | None:
        """The digest of the source's order as it was walked over."""
        row: Sequence[bytes] | None = self._db.execute("select said from source where ref = ?", (reference,)).fetchone()
        return row[0] if row else None

    def _candidates(self, query: str, *more: float) -> Iterator[Candidate]:
        """Page by page, so that what is found may be worked on meanwhile."""
        last = ""
        while rows := self._db.execute(query, (last, *more, _AT_ONCE)).fetchall():
            for ref, own, ids, young in rows:
                yield Candidate(ref, own, tuple(json.loads(ids)) if ids else (), bool(young))
            last = rows[-1][0]


def _differ(there: bytes, here: bytes) -> bool:
    return any(
        there[n : n + _SIZE] not in {_NOTHING, here[n : n + _SIZE]} for n in range(0, max(len(there), len(here)), _SIZE)
    )

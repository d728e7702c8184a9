"""Records that could not be read: each becomes a dead letter, and a fault of many is reported once."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from typing import TYPE_CHECKING, Final, Protocol, Self

import structlog

from worker.jsontext.encoding import text_of
from worker.jsontext.fragments import Fragment

if TYPE_CHECKING:
    from worker.errors import PermanentError
    from worker.systems.provider import Provider, Record

log = structlog.get_logger()

#: How the id of a dead letter begins if its record has none.
NO_ID: Final = "sha-"
#: What an id can be: the text of `schemas.order.Id`.
_ID: Final = re.compile(
    r"[^\s\x00-\x1f\x7f\ud800-\udfff](?:[^\x00-\x1f\x7f\ud800-\udfff]{0,253}[^\s\x00-\x1f\x7f\ud800-\udfff])?"
)
#: Bits of the largest whole number that counts as an id: more than any id has, and far below what Python writes.
_BITS: Final = 256
#: Reasons that are reported in one run: further ones are only counted.
_REASONS: Final = 20


class Keep(Protocol):
    """Keeps a dead letter. Returns whether the record had none for this reason before."""

    def __call__(self, external_id: str, raw: object, field_path: str, reason: str) -> bool:
        """Keep the dead letter of the record with this id."""


class DeadRecords:
    """The records of one run that could not be read; a context manager that reports them at its end.

    Of each reason the first record is logged with its id, and the others are counted. A record that had a dead letter
    for the same reason before is not logged again: a fault of the whole account costs one line, however often its
    records are read.
    """

    def __init__(self, provider: Provider, keep: Keep) -> None:
        self._provider, self._keep = provider, keep
        self._reasons: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for reason, count in self._reasons.items():
            if count > 1:
                log.error("records.malformed", provider=self._provider.name, count=count, reason=reason)
        self._reasons.clear()

    def add(self, record: Record, error: PermanentError) -> str:
        """Keep the record as a dead letter, and return the id of the letter."""
        letter, reason = letter_id(self._provider, record), str(error)
        if self._keep(letter, kept_of(record), getattr(error, "field", ""), reason):
            # Numbers differ between records of one fault: items[3], items[4].
            kind = re.sub(r"\d+", "N", reason)
            kind = kind if kind in self._reasons or len(self._reasons) < _REASONS else "other reasons"
            self._reasons[kind] += 1
            if self._reasons[kind] == 1:
                log.error("record.malformed", provider=self._provider.name, external_id=letter, reason=reason)
        return letter


def kept_of(record: Record) -> object:
    """Return what a dead letter keeps of the record: all of it, or the text of one that is not JSON."""
    return record.raw.text if isinstance(record.raw, Fragment) else record.raw


def letter_id(provider: Provider, record: Record) -> str:
    """Return the id of the record's dead letter: the id of its order, or else a digest of its content."""
    own = record.raw.get(provider.id_field)
    if isinstance(own, int) and not isinstance(own, bool) and own.bit_length() <= _BITS:
        own = str(own)
    if isinstance(own, str) and _ID.fullmatch(own):
        return own
    text = text_of(kept_of(record))
    return NO_ID + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]

"""Summaries: what one run of a task did, in one line without personal data, for Flower and `celery events`.

Celery stores no result of them: the line is in the event that a worker sends where Flower listens.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from worker.telemetry.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping


class NeedsPerson(Exception):
    """Ends a Celery task as failed: the line of its summary, in which something waits for a person."""

    def __repr__(self) -> str:
        """Return the line, which is what events show of an exception."""
        return str(self)


@dataclass(slots=True)
class Summary:
    """What one run did for an account: counts, and what waits for a person. It is repeated by its `repr`."""

    name: str
    counts: Counter[str] = field(default_factory=Counter)
    #: What ended the run early, or what a person has to know.
    notes: list[str] = field(default_factory=list)
    #: The next step of a person; "" if none is needed.
    remedy: str = ""

    def count(self, words: Mapping[str, str], counts: Mapping[str, int]) -> None:
        """Add counts under the words for them; those without a word are left out."""
        for name, number in counts.items():
            if number and name in words:
                self.counts[words[name]] += number

    def needs(self, remedy: str, note: str = "") -> None:
        """Note that a person has to do something; the first one counts."""
        self.remedy = self.remedy or remedy
        if note:
            self.notes.append(note)

    def conclude(self) -> Self:
        """Return this summary as the result of a Celery task. Raise NeedsPerson if a person is needed."""
        if self.remedy:
            raise NeedsPerson(repr(self))
        return self

    def __repr__(self) -> str:
        """Return the line: the account, the counts, the notes, the next step."""
        counts = [f"{number} {word}" for word, number in self.counts.items() if number]
        did = "; ".join([", ".join(counts), *self.notes] if counts else self.notes) or "nothing to do"
        return one_line(f"{self.name}: {did}{f'. Next: {self.remedy}' if self.remedy else ''}")

"""The oracle: what the target must show after edits of the source and of people.

A field of the target belongs to whoever changed it last. The source changes it with the first update after its change
is confirmed: so where both changed a field between two updates, the source's change wins, because it arrives later.
People keep every field that the source did not change. The next update writes again what a lost one may have written.
"""

from __future__ import annotations

from dataclasses import dataclass, field

#: The fields of an order in the target, by name; those of a line are "line:KEY" (that it exists) and "line:KEY.name".
Fields = dict[str, str]


def line_of(name: str) -> str:
    """Return the line that a field belongs to; "" for a field of the order."""
    return name.partition(".")[0] if name.startswith("line:") else ""


@dataclass
class Model:
    """One order in the target."""

    #: What the target would show if nobody but the source wrote it: as confirmed, then each attempt since then.
    sent: list[Fields] = field(default_factory=list)
    #: What people set since the source wrote the field; None for a line that they removed.
    people: dict[str, str | None] = field(default_factory=dict)

    def attempt(self, shown: Fields) -> None:
        """Note that content is sent that is shown like this; whether it arrives is not known yet."""
        self.sent.append(shown)

    def confirm(self) -> None:
        """Note that the last attempt arrived: the fields that the source changed are as it says, whoever set them."""
        now = self.sent[-1]
        touched = {name for name in self._names() if len({shown.get(name) for shown in self.sent}) > 1}
        lines = {line_of(name) for name in touched} - {""}
        for name in list(self.people):
            line = line_of(name)
            # A line that people removed and the source changes exists again; one that the source removes is gone.
            anew = line in lines and (self.people.get(line, "") is None or line not in now)
            if name in touched or anew:
                del self.people[name]
        self.sent = [now]

    def edit(self, fields: dict[str, str | None]) -> None:
        """Note what people set, or removed (None: a line)."""
        for name, text in fields.items():
            if text is None:
                self.people = {own: value for own, value in self.people.items() if line_of(own) != name}
                if not any(name in shown for shown in self.sent):
                    continue  # their own line: nothing is left of it
            self.people[name] = text

    def expected(self) -> Fields:
        """Return the fields that the target must show."""
        shown = {**self.sent[-1], **self.people}
        gone = {line_of(name) for name, text in shown.items() if line_of(name) == name and text is None}
        return {name: text for name, text in shown.items() if text and not (line_of(name) and line_of(name) in gone)}

    def _names(self) -> set[str]:
        return {name for shown in self.sent for name in shown}

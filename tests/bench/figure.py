"""A measured figure with the values of its alternative, its spread and its goal."""

from __future__ import annotations

import operator
import statistics
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Callable

_COMPARE: dict[str, Callable[[float, float], bool]] = {">=": operator.ge, "<=": operator.le}


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that was measured in alternating rounds.

    `ours` and `theirs` hold one value per round, in `unit`; `theirs` is empty without an alternative. `goal` is a
    comparison with a number, such as ">= 4", or "" for none. The median of `basis` must meet it: of our values, or of
    the ratios of ours to theirs in each round.
    """

    name: str
    unit: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...] = ()
    #: The name of the alternative.
    alternative: str = ""
    goal: str = ""
    basis: Literal["ratio", "ours"] = "ratio"
    note: str = ""

    @property
    def ratios(self) -> tuple[float, ...]:
        """The ratio of ours to theirs in each round; empty without an alternative."""
        return tuple(
            mine / other if other else float("inf") for mine, other in zip(self.ours, self.theirs, strict=False)
        )

    @property
    def judged(self) -> tuple[float, ...]:
        """The values that the goal applies to."""
        return self.ratios if self.basis == "ratio" and self.theirs else self.ours

    @property
    def reached(self) -> bool | None:
        """Whether the median meets the goal; None without a goal."""
        if not self.goal:
            return None
        sign, number = self.goal.split()
        return _COMPARE[sign](statistics.median(self.judged), float(number))

    def spread(self) -> str:
        """Return the median of the judged values and their range."""
        values = self.judged
        low, high = (short(value) for value in (min(values), max(values)))
        return f"{short(statistics.median(values))} ({low} to {high})" if len(values) > 1 else short(values[0])

    def as_json(self) -> dict[str, Any]:
        """Return all fields with the results that follow from them, for readers without this program."""
        derived = {"median": statistics.median(self.judged), "range": [min(self.judged), max(self.judged)]}
        return asdict(self) | derived | {"reached": self.reached}

    @classmethod
    def read(cls, document: dict[str, Any]) -> Self:
        """Return the figure that `as_json` wrote."""
        own = {key: value for key, value in document.items() if key in cls.__dataclass_fields__}
        return cls(**own | {"ours": tuple(own["ours"]), "theirs": tuple(own["theirs"])})


@dataclass(frozen=True, slots=True)
class Measured:
    """The result of a benchmark: its figures, and series or stacks for pictures as plain JSON."""

    figures: list[Figure]
    pictures: dict[str, Any] = field(default_factory=dict)


def short(value: float) -> str:
    """Return a number with three significant digits and thousands separators."""
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"

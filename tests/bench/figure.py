"""One measured figure, beside what it stands, with its spread and its goal."""

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
    """What was measured in some alternating rounds.

    `ours` and `beside` hold one value for each round, in `unit`; `beside` is empty where the figure stands alone.
    `goal` is a comparison with a number ("" is none: the figure is only told), met by the median of `of`: our values,
    or ours over those beside, round by round.
    """

    name: str
    unit: str
    ours: tuple[float, ...]
    beside: tuple[float, ...] = ()
    #: Who stands beside, in words.
    than: str = ""
    goal: str = ""
    of: Literal["ratio", "ours"] = "ratio"
    note: str = ""

    @property
    def ratios(self) -> tuple[float, ...]:
        """Ours over those beside, round by round; empty where nothing stands beside."""
        return tuple(
            mine / other if other else float("inf") for mine, other in zip(self.ours, self.beside, strict=False)
        )

    @property
    def judged(self) -> tuple[float, ...]:
        """The values that the goal is about."""
        return self.ratios if self.of == "ratio" and self.beside else self.ours

    @property
    def reached(self) -> bool | None:
        """Whether the median meets the goal; None without a goal."""
        if not self.goal:
            return None
        sign, number = self.goal.split()
        return _COMPARE[sign](statistics.median(self.judged), float(number))

    def spread(self) -> str:
        """The median of what is judged, and its range."""
        values = self.judged
        low, high = (short(value) for value in (min(values), max(values)))
        return f"{short(statistics.median(values))} ({low} to {high})" if len(values) > 1 else short(values[0])

    def as_json(self) -> dict[str, Any]:
        """Everything, and what follows from it, for a reader without this program."""
        told = {"median": statistics.median(self.judged), "range": [min(self.judged), max(self.judged)]}
        return asdict(self) | told | {"reached": self.reached}

    @classmethod
    def read(cls, told: dict[str, Any]) -> Self:
        """From what `as_json` wrote."""
        own = {key: value for key, value in told.items() if key in cls.__dataclass_fields__}
        return cls(**own | {"ours": tuple(own["ours"]), "beside": tuple(own["beside"])})


@dataclass(frozen=True, slots=True)
class Measured:
    """What one benchmark found: its figures, and series or stacks for a picture, as plain JSON."""

    figures: list[Figure]
    pictures: dict[str, Any] = field(default_factory=dict)


def short(value: float) -> str:
    """Three digits that count, thousands apart."""
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"

"""Show results: on the screen, as a table in Markdown, and as pictures."""

from __future__ import annotations

import os
import re
import statistics
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from bench import pictures
from bench.figure import Figure, short

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_BEGIN, _END = "<!-- bench report -->", "<!-- end of the report -->"
#: The width of a table that is written to a file, in characters.
_FILE_WIDTH = 200
_REACHED = {True: "yes", False: "**no**", None: ""}


def _cells(figure: Figure) -> list[str]:
    """Return the cells of a row: figure, ours, theirs, the judged values with their spread, goal."""
    theirs = f"{short(statistics.median(figure.theirs))} {figure.unit} ({figure.alternative})" if figure.theirs else ""
    judged = figure.spread() + (f" {figure.unit}" if figure.judged is figure.ours else " times")
    ours = f"{short(statistics.median(figure.ours))} {figure.unit}"
    return [figure.name, ours, theirs, judged, figure.goal]


def show(figures: Sequence[Figure]) -> None:
    """Print the figures as a table, followed by the notes on how they were measured."""
    table = Table("figure", "Intake", "beside", "judged: median (range)", "goal", "reached")
    for figure in figures:
        table.add_row(*_cells(figure), _REACHED[figure.reached].strip("*"))
    console = Console()
    if not console.is_terminal:
        console.width = _FILE_WIDTH  # a file needs no line breaks
    console.print(table)
    for note in dict.fromkeys(figure.note for figure in figures if figure.note):
        console.print(note)


def markdown(results: dict[str, Any], drawn: Sequence[Path], page: Path) -> str:
    """Return a table of the figures with a goal, a table of the others, and the pictures."""
    lines: list[str] = [*_measured_on(results), ""]
    goals: list[list[str]] = []
    others: list[list[str]] = []
    for name, result in results.items():
        for figure in map(Figure.read, result["figures"]):
            (goals if figure.goal else others).append([f"`{name}`", *_cells(figure), _REACHED[figure.reached]])
    lines += _table(["bench", "figure", "Intake", "beside", "judged: median (range)", "goal", "reached"], goals)
    if others:
        lines += ["", "Without a goal:", ""]
        lines += _table(["bench", "figure", "Intake", "beside", "median (range)"], [row[:5] for row in others])
    for picture in drawn:
        lines += ["", f"![{picture.stem}]({os.path.relpath(picture, page.parent)})"]
    return "\n".join(lines)


def _table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _measured_on(results: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each machine on which results were measured."""
    for machine in dict.fromkeys(_machine(result) for result in results.values()):
        names = ", ".join(f"`{name}`" for name, result in results.items() if _machine(result) == machine)
        yield f"Measured on {machine}: {names}.\n"


def _machine(result: dict[str, Any]) -> str:
    machine = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    return (
        f"{machine['cores']} cores of {machine['processor']}, {machine['memory_gb']} GB, {machine['system']}, "
        f"Python {machine['python']}, {machine['server']}, {versions}; {result['at'].partition(' ')[0]}"
    )


def draw(results: dict[str, Any], file: Path) -> list[Path]:
    """Draw the pictures of the results beside their file, and return their paths."""
    drawn: dict[str, str] = {"goals": pictures.goals(_scores(results))}
    if "cpu" in results:
        drawn["cpu"] = pictures.bars("Processor time of one order by part, ms", results["cpu"]["parts"])
    if "growth" in results:
        marks = results["growth"]["growth"]
        for key, title in (
            ("rate", "Orders delivered per second (at first with the start of the processes)"),
            ("memory_mb", "Memory of the worker processes, MB"),
        ):
            points = [(float(mark["orders"]), float(mark[key])) for mark in marks]
            drawn[f"growth-{key.partition('_')[0]}"] = pictures.growth(f"{title}, by orders in the ledger", points)
    written = []
    for name, picture in drawn.items():
        path = file.with_name(f"{file.stem}-{name}.svg")
        path.write_text(picture, encoding="utf-8")
        written.append(path)
    return written


def _scores(results: dict[str, Any]) -> dict[str, tuple[float, float, float]]:
    """Return the score of each figure with a goal (1 is the goal, more is better): median, lowest and highest."""
    scores = {}
    for result in results.values():
        for figure in map(Figure.read, result["figures"]):
            if figure.goal:
                sign, number = figure.goal.split()
                goal = float(number)
                values = [_score(value, sign, goal) for value in figure.judged]
                alternative = re.split(r", |: | and | \(", figure.alternative)[0]
                than = f", beside {alternative}" if figure.alternative and figure.judged is not figure.ours else ""
                scores[f"{figure.name}{than} ({figure.goal})"] = statistics.median(values), min(values), max(values)
    return scores


def _score(value: float, sign: str, goal: float) -> float:
    if sign == ">=":
        return value / goal
    # The best is 100, for a value near zero. A goal of zero is met or not.
    return goal / max(value, goal / 100) if goal else float(value <= 0)


def write_into(page: Path, text: str) -> None:
    """Replace the text between the marks of the page."""
    old = page.read_text(encoding="utf-8")
    new, count = re.subn(f"{_BEGIN}.*{_END}", lambda _: f"{_BEGIN}\n\n{text}\n\n{_END}", old, flags=re.DOTALL)
    if not count:
        raise click.ClickException(f"{page} has no place for it: {_BEGIN} and {_END}")
    page.write_text(new, encoding="utf-8")

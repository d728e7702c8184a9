"""Run the whole crash matrix and write it as Markdown: `make prove`."""

from __future__ import annotations

import argparse
import json
import queue
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chaos.cell import HINTS, ORDERS, PUSHED, Ground, Result, kept
from chaos.matrix import EFFECTS, FAULTS, Place, limit_of, places, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

BEGIN, END = "<!-- crash matrix: make prove -->", "<!-- end of the crash matrix -->"


def walk(chosen: Sequence[Place], home: Path, side_by_side: int) -> dict[str, dict[str, Any]]:
    """Run the cells, `side_by_side` at a time, and return a description of each result by the cell's name."""
    waiting: queue.SimpleQueue[Place] = queue.SimpleQueue()
    for place in chosen:
        waiting.put(place)
    results: dict[str, dict[str, Any]] = {}

    def run(number: int) -> None:
        with Ground(home / f"ground-{number}", [place.cell for place in chosen]) as ground:
            while True:
                try:
                    place = waiting.get_nowait()
                except queue.Empty:
                    return
                result = ground.run(place.cell)
                outcome = verdict(place, result)
                results[place.cell.name] = _describe(place, result, outcome)
                print(f"{len(results)}/{len(chosen)} {json.dumps(results[place.cell.name])}", flush=True)
                if outcome == "red":
                    print(kept(ground.home / place.cell.name), file=sys.stderr, flush=True)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(side_by_side)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def _describe(place: Place, result: Result, outcome: str) -> dict[str, Any]:
    return {
        "cell": place.cell.name,
        "effect": f"{place.effect.step}: {place.effect.what}",
        "fault": f"{place.column}, {place.side}",
        "verdict": outcome,
        "problems": result.problems,
        "over": result.over,
        "seconds": round(result.seconds, 1),
    }


_SIGNS = {"clean": "✓", "limit": "2x", "red": "✗"}


def table(results: dict[str, dict[str, Any]]) -> str:
    """Return the matrix as Markdown; each cell has one sign per side of the effect."""
    notes: list[str] = []
    lines = [f"| step | effect | {' | '.join(FAULTS)} |", f"|---|---|{'---|' * len(FAULTS)}"]
    by_place: dict[tuple[str, str, str], list[str]] = {}
    for place in places():
        if result := results.get(place.cell.name):
            sign = _SIGNS[result["verdict"]]
            if why := limit_of(place):
                if why not in notes:
                    notes.append(why)
                sign += f"<sup>{notes.index(why) + 1}</sup>"
            key = (place.effect.step, place.effect.what, place.column)
            by_place.setdefault(key, []).append(sign)
    for effect in EFFECTS:
        cells = [" ".join(by_place.get((effect.step, effect.what, column), [])) for column in FAULTS]
        lines.append(f"| {effect.step} | {effect.what} | {' | '.join(cells)} |")
    verdicts = [result["verdict"] for result in results.values()]
    green, limits = verdicts.count("clean"), len(verdicts) - verdicts.count("clean") - verdicts.count("red")
    lines += ["", f"{len(results)} cells: {green} green, {limits} with a limit, {verdicts.count('red')} red."]
    lines += ["", *(f"{number}. {note}" for number, note in enumerate(notes, 1))]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, help="write the table between the marks in this file")
    parser.add_argument("--results", type=Path, help="write the result of each cell to this file")
    parser.add_argument(
        "--from-results", type=Path, help="run nothing: make the table from a file written by --results"
    )
    parser.add_argument("--side-by-side", type=int, default=3)
    parser.add_argument("--cells", default="", help="run only the cells whose name begins with this")
    options = parser.parse_args()
    if options.from_results:
        results = json.loads(options.from_results.read_text())
    else:
        chosen = [place for place in places() if place.cell.name.startswith(options.cells)]
        print(f"{len(chosen)} cells, each with {ORDERS} orders that are polled, {PUSHED} pushed, {HINTS} hints")
        with tempfile.TemporaryDirectory(prefix="intake-prove-") as home:
            results = walk(chosen, Path(home), options.side_by_side)
        if options.results:
            options.results.write_text(json.dumps(results, indent=1))
    matrix = table(results)
    print(matrix)
    if options.page:
        before, _, rest = options.page.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        options.page.write_text(f"{before}{BEGIN}\n\n{matrix}\n\n{END}{after}")
    return int(any(result["verdict"] == "red" for result in results.values()))


if __name__ == "__main__":
    sys.exit(main())

"""The figures of the benchmarks: ratios, goals, charts and the report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import click
import pytest
from click.testing import CliRunner

from bench import report
from bench.command import BENCHES, command
from bench.cpu import part_of
from bench.figure import Figure, short
from bench.report import write_into

if TYPE_CHECKING:
    from pathlib import Path

FASTER = Figure("orders delivered", "/s", (400.0, 450.0, 90.0), (100.0, 100.0, 100.0), "plain Celery", ">= 4")
MACHINE = {
    "processor": "a CPU",
    "cores": 2,
    "memory_gb": 8.0,
    "system": "Linux",
    "python": "3.11",
    "server": "valkey 9",
    "packages": {"celery": "5.7.0"},
}


def test_the_median_of_the_rounds_decides_whether_the_goal_is_met() -> None:
    assert FASTER.ratios == (4.0, 4.5, 0.9)
    assert FASTER.reached
    assert not Figure("a", "/s", (3.0, 3.0, 9.0), (1.0, 1.0, 1.0), "b", ">= 4").reached
    assert not Figure("a", "ms", (1.0, 3.0, 3.0), (1.0, 1.0, 1.0), "b", "<= 1.2").reached
    assert FASTER.spread() == "4.00 (0.90 to 4.50)"


def test_a_ratio_is_computed_within_a_round_and_not_from_medians() -> None:
    varying = Figure("a", "/s", (10.0, 100.0, 1000.0), (1000.0, 100.0, 10.0), "b", ">= 1")
    assert varying.spread() == "1.00 (0.01 to 100)"


def test_a_goal_for_our_own_values_ignores_the_alternative() -> None:
    alone = Figure("accepted", "/s", (9.4,), (1.0,), "another", ">= 9.5", "ours")
    assert alone.reached is False
    assert alone.judged == (9.4,)


def test_a_figure_without_a_goal_is_not_judged() -> None:
    assert Figure("cpu", "ms", (1.0,)).reached is None


def test_a_figure_is_the_same_after_json() -> None:
    assert Figure.read(json.loads(json.dumps(FASTER.as_json()))) == FASTER


def test_numbers_have_three_significant_digits() -> None:
    assert [short(value) for value in (1234.5, 99.94, 9.954, 0.0)] == ["1,234", "99.9", "9.95", "0.00"]


def test_processor_time_counts_for_the_innermost_part_and_not_for_its_callers() -> None:
    task = "celery.app.trace:trace_task;tasks.deliver:deliver;"
    assert (
        part_of(task + "worker.systems.dropday.target:create;worker.http.client:write;urllib3.connection:request")
        == "HTTP"
    )
    assert part_of(task + "worker.store.orders.lanes:settle;redis.client:execute;schemas.order:fingerprint") == "ledger"
    assert part_of(task + "worker.systems.dropday.target:create;schemas.dropday:of") == "shape for the target"
    assert part_of(task + "pydantic.main:model_validate_json") == "the history"
    assert part_of("celery.worker:start;redis.connection:read") == "Celery"


def test_results_and_their_charts_are_written_between_the_marks_of_a_page(tmp_path: Path) -> None:
    results, page = tmp_path / "results.json", tmp_path / "page.md"
    figures = [FASTER.as_json(), Figure("time of an order", "ms", (0.5,)).as_json()]
    result = {"at": "2026-01-02 03:04 UTC", "machine": MACHINE, "figures": figures}
    marks = [{"orders": n, "rate": 1000.0, "memory_mb": 100.0} for n in (1_000, 1_000_000)]
    parts = {"HTTP": 0.3, "<ledger>": 0.1}
    results.write_text(
        json.dumps({"throughput": result, "cpu": result | {"parts": parts}, "growth": result | {"growth": marks}})
    )
    page.write_text("before\n<!-- bench report -->\nold\n<!-- end of the report -->\nafter\n")
    for _ in range(2):  # the second time replaces the first
        run = CliRunner().invoke(command, ["report", str(results), "--page", str(page)])
        assert run.exit_code == 0, run.output
    text = page.read_text()
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert (
        "| `throughput` | orders delivered | 400 /s | 100 /s (plain Celery) | 4.00 (0.90 to 4.50) times | >= 4 | yes |"
        in text
    )
    assert "2 cores of a CPU" in text
    drawn = sorted(tmp_path.glob("*.svg"))
    assert [path.name.removeprefix("results-") for path in drawn] == [
        "cpu.svg",
        "goals.svg",
        "growth-memory.svg",
        "growth-rate.svg",
    ]
    for path in drawn:
        ET.parse(path)
        assert f"]({path.name})" in text


@pytest.mark.parametrize(
    ("value", "sign", "goal", "score"),
    [
        (8.0, ">=", 4.0, 2.0),
        (2.0, "<=", 4.0, 2.0),
        (0.0, "<=", 4.0, 100.0),
        (0.0, "<=", 0.0, 1.0),
        (0.5, "<=", 0.0, 0.0),
    ],
)
def test_a_score_is_a_multiple_of_the_goal_and_a_goal_of_zero_is_met_or_not(
    value: float, sign: str, goal: float, score: float
) -> None:
    assert report._score(value, sign, goal) == score


def test_a_page_without_marks_is_not_changed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing\n")
    with pytest.raises(click.ClickException, match="has no place"):
        write_into(page, "table")
    assert page.read_text() == "nothing\n"


def test_every_benchmark_has_a_command_that_shows_its_default_size() -> None:
    assert set(command.commands) == {*BENCHES, "all", "report"}
    for name, bench in BENCHES.items():
        shown = CliRunner().invoke(command, [name, "--help"]).output
        assert f"default: {bench.orders};" in " ".join(shown.split())

"""The commands of the benchmarks: one for each, `all` and `report`."""

from __future__ import annotations

import importlib
import json
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from bench import report, stage

if TYPE_CHECKING:
    from bench.figure import Measured


class Bench(NamedTuple):
    """The subject and the size of a benchmark: default orders and rounds, and orders with `--quick` (one round)."""

    about: str
    orders: int
    rounds: int
    quick: int
    #: The help text of `--orders`.
    orders_help: str = "Orders in each run."


#: By name, which is also the name of the module.
BENCHES: Final = {
    "throughput": Bench("Orders delivered/s, beside plain Celery and beside a bare loop.", 20_000, 5, 2_000),
    "latency": Bench("Push to created when idle, beside plain Celery.", 200, 3, 40),
    "limit": Bench(
        "Use of a strict limit by 1 to 16 processes, beside limits and PyrateLimiter.",
        200,
        3,
        50,
        "Calls that the limit lets out in one run.",
    ),
    "distance": Bench(
        "Orders delivered/s, and use of limits, of a target up to 300 ms away, beside Celery and threads.",
        30_000,
        3,
        2_500,
    ),
    "lanes": Bench("Use of each of 50 limits at a time.", 450, 3, 200, "Orders in each lane."),
    "reading": Bench(
        "Records fetched, normalized and accepted/s of each kind, beside a loop that only fetches.", 5_000, 5, 300
    ),
    "far": Bench("Calls/s of polls behind a limit, at a provider that answers late.", 400, 3, 60, "Calls in each run."),
    "bulk": Bench("Orders into RetailCRM behind its limit, 50 in a call beside one by one.", 50_000, 1, 2_000),
    "backlog": Bench("Many orders read from RetailCRM behind its limit.", 50_000, 1, 2_000),
    "cpu": Bench("What the processor time of an order is spent on.", 10_000, 3, 1_000),
    "backfill": Bench("Push to created while a backfill runs, beside the same without one.", 100_000, 3, 20_000),
    "accounts": Bench(
        "Processor time of commands and of the upkeep, with 1 to 300 pairs of accounts.",
        300,
        3,
        10,
        "Pairs of accounts, at most.",
    ),
    "rhythm": Bench(
        "Rhythm of polls, processor time and memory with hundreds of accounts.", 300, 1, 20, "Pairs of accounts."
    ),
    "start": Bench(
        "First order delivered by `intake up`, and its memory, beside one that executes each process.",
        30,
        3,
        3,
        "Seconds after the start when the memory is read.",
    ),
    "console": Bench("Pages of the console, with few orders and with a million.", 1_000_000, 3, 20_000),
    "memory": Bench("Bytes of Redis for each order.", 1_000_000, 1, 20_000),
    "growth": Bench("Speed, and memory of a worker, while the ledger grows to a million orders.", 1_000_000, 5, 20_000),
}


def run(name: str, orders: int, rounds: int, file: Path | None) -> Measured:
    """Run one benchmark, print its figures, and add them to the results in `file`."""
    module = importlib.import_module(f"bench.{name}")
    started = time.monotonic()
    # A terminated benchmark must stop its processes: they would disturb the next one.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with stage.stage(orders, rounds) as own_stage:
        machine = stage.machine(own_stage.redis)
        own_stage.console.print(f"[bold]{name}[/]: {BENCHES[name].about} {orders:,} orders, {rounds} rounds")
        measured: Measured = module.measure(own_stage)
    report.show(measured.figures)
    if file is not None:
        result = {
            "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            "machine": machine,
            "orders": orders,
            "rounds": rounds,
            "seconds": round(time.monotonic() - started),
            "figures": [figure.as_json() for figure in measured.figures],
            **measured.pictures,
        }
        _add(file, name, result)
    return measured


def _add(file: Path, name: str, result: dict[str, Any]) -> None:
    results = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    text = json.dumps({**results, name: result}, indent=1, ensure_ascii=False)
    file.write_text(text + "\n", encoding="utf-8")


_JSON = click.option("--json", "file", type=click.Path(path_type=Path, dir_okay=False), help="Keep the results there.")


@click.group("bench")
def command() -> None:
    """Measure this machine, each figure beside something named, in alternating rounds."""


def _command(name: str, bench: Bench) -> click.Command:
    def run_benchmark(orders: int, rounds: int, file: Path | None) -> None:
        run(name, orders, rounds, file)

    positive = click.IntRange(1)
    orders = click.option("--orders", type=positive, default=bench.orders, show_default=True, help=bench.orders_help)
    rounds = click.option("--rounds", type=positive, default=bench.rounds, show_default=True, help="Runs of each side.")
    return click.command(name, help=bench.about)(orders(rounds(_JSON(run_benchmark))))


for _name, _bench in BENCHES.items():
    command.add_command(_command(_name, _bench))


@command.command("all")
@click.option("--quick", is_flag=True, help="Small and once: whether everything runs, not what it shows.")
@click.option("--skip", multiple=True, type=click.Choice(list(BENCHES)), help="Leave one out; may be repeated.")
@_JSON
def run_all(*, quick: bool, skip: tuple[str, ...], file: Path | None) -> None:
    """Run all benchmarks, one after the other; what is in the file already of those is replaced."""
    for name, bench in BENCHES.items():
        if name not in skip:
            run(name, bench.quick if quick else bench.orders, 1 if quick else bench.rounds, file)


@command.command("report")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--page", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A page to write it into.")
def report_results(file: Path, page: Path | None) -> None:
    """Make the table (Markdown) and the pictures (SVG, beside FILE) of results; into a page, between its marks."""
    results = json.loads(file.read_text(encoding="utf-8"))
    text = report.markdown(results, report.draw(results, file), page or Path.cwd() / "page.md")
    if page is None:
        click.echo(text)
    else:
        report.write_into(page, text)

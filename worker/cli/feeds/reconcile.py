"""`intake reconcile`: what a provider has compared with what a target has."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from worker.cli.options import go_on, parse_since, redis_time, resolve_since, resolve_time
from worker.errors import AuthFailed, IntakeError
from worker.reconcile.repair import repaired
from worker.reconcile.report import FAULTS
from worker.reconcile.run import Run, Wish, grace_of
from worker.runtime import Runtime, read_settings
from worker.settings.reconcile import pairs_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from worker.reconcile.report import Finding, Report

#: What is said of the other counts, by name.
_ASIDE = {
    "on_the_way": "on their way",
    "unlisted": "there, though no list shows them",
    "older": "from before the range",
    "gone": "gone from the source meanwhile",
    "discarded": "discarded by a person",
    "queued": "queued again",
}


def told(report: Report, *, values: bool) -> Iterator[RenderableType]:
    """The report for people; the values of fields only if they are asked for, because they are personal."""
    table = Table(title=f"{report.provider} → {report.target}", title_justify="left")
    for column in ("in the source", "in the target", *FAULTS):
        table.add_column(column, justify="right")
    counts = report.counted()
    table.add_row(*(str(counts.get(name, 0)) for name in ("source", "target", *FAULTS)))
    yield table
    if report.findings:
        yield _findings(report.findings, values=values)
    yield from (f"{counts[name]} {words}" for name, words in _ASIDE.items() if counts.get(name))
    if report.how == "asked":
        yield f"{report.target} cannot be listed: only what is missing was looked for."
    elif not report.compared:
        yield "The fields were not compared: no view knows what this kind of target holds."
    if report.clean:
        yield "[green]Clean: each order is there once, as the source has it.[/green]"
    elif hidden := sum(counts[fault] for fault in FAULTS) - len(report.findings):
        yield f"{hidden} more are not shown: --most {max(counts[fault] for fault in FAULTS)}"


def _findings(findings: list[Finding], *, values: bool) -> Table:
    table = Table("what", "order", "reference", "in the target", "fields", "ledger", "remedy")
    for it in findings:
        fields = ", ".join(it.fields)
        if values:
            fields = "\n".join(f"{name}: {there} | {here}" for name, (there, here) in it.values.items())
        table.add_row(
            it.fault, it.key, it.reference, ", ".join(it.target_ids), fields, it.state, it.remedy or _remedy(it)
        )
    return table


def _remedy(it: Finding) -> str:
    """What a person does about it, where no repair said what it did."""
    if it.fault in {"doubled", "extra"}:
        return "look at it in the target"
    if it.state in {"dead", "held", "in_doubt"}:
        return f"intake show {it.key}"
    return "--repair"


def _checked(rt: Runtime, provider: str, target: str) -> None:
    """That the two are a pair: a provider that can be read, and a target that a route from it names."""
    pairs = pairs_of(rt.settings.routes, rt.settings.providers)
    if (provider, target) not in pairs:
        known = ", ".join(" ".join(pair) for pair in pairs)
        raise click.ClickException(f"no route goes from {provider} to {target}; known are: {known or 'none'}")


def _compared(rt: Runtime, wish: Wish, console: Console, *, repair: bool) -> Report:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<36}"),
        BarColumn(36),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bars: dict[str, Any] = {}

        def tell(step: str, done: int) -> None:
            """How many there are is told by nobody before the end of a walk."""
            if step not in bars:
                for bar in bars.values():
                    progress.update(bar, total=progress.tasks[bar].completed)
                bars[step] = progress.add_task(step, total=None)
            progress.update(bars[step], completed=done)

        with Run(rt, wish, tell) as run:
            return run.compare(repaired if repair else None)


@click.command("reconcile")
@click.argument("provider")
@click.argument("target")
@click.option("--since", callback=parse_since, required=True, help="Orders placed since then: 2026-03-01, or 7d (ago).")
@click.option("--until", callback=parse_since, help="And before then; left out, until now.")
@click.option("--share", type=click.FloatRange(0.01, 1), default=1.0, help="The part of each limit it may use (1).")
@click.option(
    "--repair", is_flag=True, help="Send again what is missing, and what is different where it can be changed."
)
@click.option("--dry-run", is_flag=True, help="With --repair: compare only, and send nothing.")
@click.option("--yes", is_flag=True, help="With --repair: do not ask.")
@click.option("--values", is_flag=True, help="Show the values of different fields: they are personal.")
@click.option("--most", type=click.IntRange(0), default=20, help="Findings of each sort that are shown (20).")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(provider: str, target: str, **given: Any) -> None:
    """Compare the orders of PROVIDER with those that TARGET has; exit code 1 if anything is not clean.

    Nothing is written anywhere without --repair, which asks first, and doubled or extra orders are never touched.
    """
    rt = click.get_current_context().with_resource(Runtime(read_settings()))
    _checked(rt, provider, target)
    now = redis_time(rt)
    since, until = resolve_since(given["since"], now), resolve_time(given["until"] or now, now)
    if until <= since:
        raise click.UsageError("--until is not after --since")
    repair = given["repair"] and not given["dry_run"]
    if repair:
        go_on(f"Send to {target} again what of {provider} is missing or different there?", yes=given["yes"])
    wish = Wish(provider, target, since, until, given["share"], grace_of(rt, provider), given["most"])
    try:
        report = _compared(rt, wish, Console(stderr=True), repair=repair)
    except AuthFailed as refused:
        raise click.ClickException(f"a key is refused: {refused}. See: intake check") from None
    except IntakeError as error:
        raise click.ClickException(f"it could not be compared: {error}") from None
    rt.reports.save(provider, target, report.counts)
    if given["as_json"]:
        findings = [it.as_json(values=given["values"]) for it in report.findings]
        click.echo(json.dumps(report.as_json() | {"findings": findings}, indent=2))
    else:
        console = Console()
        for part in told(report, values=given["values"]):
            console.print(part)
    if not report.clean:
        sys.exit(1)

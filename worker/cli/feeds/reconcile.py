"""`intake reconcile`: compare the orders of a provider with those of a target."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from worker.cli.options import (
    confirm_or_abort,
    json_option,
    open_runtime,
    parse_since,
    redis_time,
    resolve_since,
    resolve_time,
)
from worker.errors import AuthFailed, IntakeError
from worker.reconcile.repair import requeue
from worker.reconcile.report import FAULTS
from worker.reconcile.run import Run, RunOptions, grace_of
from worker.settings.reconcile import pairs_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from worker.reconcile.report import Finding, Report
    from worker.runtime import Runtime

#: The text after each of the other counts, by name.
_OTHER_COUNTS = {
    "edited": "changed by people in the target after they were sent: kept as they are",
    "on_the_way": "on their way",
    "unlisted": "there, though no list shows them",
    "older": "from before the range",
    "gone": "gone from the source meanwhile",
    "discarded": "discarded by a person",
    "queued": "queued again",
}


def render(report: Report, *, values: bool) -> Iterator[RenderableType]:
    """Yield the report for people; with the values of fields only on request, because they are personal."""
    table = Table(title=f"{report.provider} → {report.target}", title_justify="left")
    for column in ("in the source", "in the target", *FAULTS):
        table.add_column(column, justify="right")
    counts = report.counted()
    table.add_row(*(str(counts.get(name, 0)) for name in ("source", "target", *FAULTS)))
    yield table
    if report.findings:
        yield _findings(report.findings, values=values)
    yield from (f"{counts[name]} {words}" for name, words in _OTHER_COUNTS.items() if counts.get(name))
    if report.how == "asked":
        yield f"{report.target} cannot be listed: only what is missing was looked for."
    elif not report.compared:
        yield "The fields were not compared: no view knows what this kind of target holds."
    if report.clean:
        yield "[green]Clean: each order is there once, as the source has it.[/green]"
    elif hidden := sum(counts[fault] for fault in FAULTS) - sum(found.fault in FAULTS for found in report.findings):
        yield f"{hidden} more are not shown: --most {max(counts[fault] for fault in FAULTS)}"


def _findings(findings: list[Finding], *, values: bool) -> Table:
    table = Table("what", "order", "reference", "in the target", "fields", "ledger", "remedy")
    for finding in findings:
        fields, ids = ", ".join(finding.fields), ", ".join(finding.target_ids)
        if values:
            fields = "\n".join(f"{name}: {there} | {here}" for name, (there, here) in finding.values.items())
        remedy = finding.remedy or _remedy(finding)
        table.add_row(finding.fault, finding.key, finding.reference, ids, fields, finding.state, remedy)
    return table


def _remedy(finding: Finding) -> str:
    """Return what a person can do, for a finding that no repair dealt with."""
    if finding.fault == "edited":
        return "none: people changed it there"
    if finding.fault in {"doubled", "extra"}:
        return "look at it in the target"
    if finding.state in {"dead", "held", "in_doubt"}:
        return f"intake show {finding.key}"
    return "--repair"


def _require_pair(rt: Runtime, provider: str, target: str) -> None:
    """Raise ClickException unless a route goes from the provider, which can be read, to the target."""
    pairs = pairs_of(rt.settings.routes, rt.settings.providers)
    if (provider, target) not in pairs:
        known = ", ".join(" ".join(pair) for pair in pairs)
        raise click.ClickException(f"no route goes from {provider} to {target}; known are: {known or 'none'}")


def _compare(rt: Runtime, wish: RunOptions, console: Console, *, repair: bool) -> Report:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<36}"),
        BarColumn(36),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bars: dict[str, Any] = {}

        def show_progress(step: str, done: int) -> None:
            """Update the bar of this step; its total is unknown until the next step begins."""
            if step not in bars:
                for bar in bars.values():
                    progress.update(bar, total=progress.tasks[bar].completed)
                bars[step] = progress.add_task(step, total=None)
            progress.update(bars[step], completed=done)

        with Run(rt, wish, show_progress) as run:
            return run.compare(requeue if repair else None)


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
@json_option
def command(provider: str, target: str, **options: Any) -> None:
    """Compare the orders of PROVIDER with those in TARGET; exit code 1 if they differ.

    Nothing is written without --repair, which asks first. Duplicated and extra orders are never changed.
    """
    rt = open_runtime(confirmed=options["repair"])
    provider = rt.settings.ledger_provider(provider)
    target = rt.settings.ledger_target(target)
    _require_pair(rt, provider, target)
    now = redis_time(rt)
    since, until = resolve_since(options["since"], now), resolve_time(options["until"] or now, now)
    if until <= since:
        raise click.UsageError("--until is not after --since")
    repair = options["repair"] and not options["dry_run"]
    if repair:
        question = f"Send to {target} again what of {provider} is missing or different there?"
        confirm_or_abort(question, yes=options["yes"])
        rt.installation.confirm()
    wish = RunOptions(provider, target, since, until, options["share"], grace_of(rt, provider), options["most"])
    try:
        report = _compare(rt, wish, Console(stderr=True), repair=repair)
    except AuthFailed as refused:
        raise click.ClickException(f"a key is refused: {refused}. See: intake check") from None
    except IntakeError as error:
        raise click.ClickException(f"it could not be compared: {error}") from None
    rt.reports.save(provider, target, report.counts)
    if options["as_json"]:
        click.echo(json.dumps(report.as_json(values=options["values"]), indent=2))
    else:
        console = Console()
        for part in render(report, values=options["values"]):
            console.print(part)
    if not report.clean:
        sys.exit(1)

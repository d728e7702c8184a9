"""`intake reconcile`: compare the orders of a provider with those of a target."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TimeElapsedColumn
from rich.text import Text

from worker.cli.display import Table, line
from worker.cli.options import (
    confirm_or_abort,
    json_option,
    open_runtime,
    parse_since,
    redis_time,
    resolve_since,
    resolve_time,
)
from worker.cli.progress import TextColumn
from worker.cli.results import console
from worker.errors import AuthFailed, IntakeError
from worker.operations.acting import acting, recorded
from worker.operations.examples import examples
from worker.reconcile.repair import requeue
from worker.reconcile.report import FAULTS
from worker.reconcile.run import Run, RunOptions, grace_of
from worker.settings.reconcile import pairs_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from worker.cli.display import Display
    from worker.reconcile.report import Finding, Report
    from worker.runtime import Runtime
    from worker.store.audit import Act
    from worker.store.orders.delivery import Delivery
    from worker.store.orders.ledger import Standing

#: The text after each of the other counts, by name.
_OTHER_COUNTS = {
    "edited": "edited by people in the target: kept",
    "on_the_way": "being delivered",
    "unlisted": "in the target, but not in its list",
    "older": "placed before the range",
    "gone": "no longer in the source",
    "discarded": "discarded by a person",
    "queued": "queued again",
}


def render(report: Report, *, values: bool) -> Iterator[RenderableType]:
    """Yield the report for people; with the values of fields only on request, because they are personal."""
    table = Table(title=f"{report.provider} → {report.target}", title_justify="left")
    for column in ("in the source", "in the target", *FAULTS):
        table.add_column(column, justify="right", no_wrap=" " not in column)
    counts = report.counted()
    table.add_row(*(str(counts.get(name, 0)) for name in ("source", "target", *FAULTS)))
    yield table
    if report.findings:
        yield _findings(report.findings, values=values)
    yield from (f"{counts[name]} {words}" for name, words in _OTHER_COUNTS.items() if counts.get(name))
    if report.how == "asked":
        yield f"{report.target} cannot list its orders: only missing orders are found."
    elif not report.compared:
        yield "The fields were not compared: this kind of target cannot be read field by field."
    if report.clean:
        yield Text("ok: the target has each order once, as the source has it.", style="green")
    elif hidden := sum(counts[fault] for fault in FAULTS) - sum(found.fault in FAULTS for found in report.findings):
        yield f"{hidden} more findings: --most {max(counts[fault] for fault in FAULTS)}"


def _findings(findings: list[Finding], *, values: bool) -> Table:
    table = Table("what", "order", "reference", "in the target", "fields", "ledger", "remedy")
    for finding in findings:
        fields, ids = Text(", ".join(finding.fields)), ", ".join(finding.target_ids)
        if values:
            pairs = (f"{name}: {there} | {here}" for name, (there, here) in finding.values.items())
            fields = Text("\n").join(map(line, pairs))
        remedy = finding.remedy or _remedy(finding)
        table.add_row(finding.fault, finding.key, finding.reference, ids, fields, finding.state, remedy)
    return table


def _remedy(finding: Finding) -> str:
    """Return what a person can do, for a finding that no repair dealt with."""
    if finding.fault == "edited":
        return "none: edited in the target"
    if finding.fault in {"duplicated", "extra"}:
        return "check it in the target"
    if finding.state in {"dead", "held", "in_doubt"}:
        return f"intake show {finding.key}"
    return "--repair"


def _require_pair(rt: Runtime, provider: str, target: str) -> None:
    """Raise ClickException unless a route goes from the provider, which can be read, to the target."""
    pairs = pairs_of(rt.settings.routes, rt.settings.providers)
    if (provider, target) not in pairs:
        known = ", ".join(" ".join(pair) for pair in pairs)
        raise click.ClickException(f"no route goes from {provider} to {target}; choose from: {known or 'none'}")


def _compare(rt: Runtime, wish: RunOptions, screen: Display, repair: Act | None) -> Report:
    """Compare both sides; with the record of a repair, queue again what is missing or different."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<36}"),
        BarColumn(36),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=screen, transient=True) as progress:
        bars: dict[str, Any] = {}

        def show_progress(step: str, done: int) -> None:
            """Update the bar of this step; its total is unknown until the next step begins."""
            if step not in bars:
                for bar in bars.values():
                    progress.update(bar, total=progress.tasks[bar].completed)
                bars[step] = progress.add_task(step, total=None)
            progress.update(bars[step], completed=done)

        def requeue_recorded(run: Run, finding: Finding, routed: Delivery, standing: Standing) -> str:
            if repair is not None:
                repair.concerns([routed.order.key])
            return requeue(run, finding, routed, standing)

        with Run(rt, wish, show_progress) as run:
            return run.compare(requeue_recorded if repair else None)


@click.command(
    "reconcile",
    epilog=examples(
        "intake reconcile shop-nl warehouse --since 7d",
        "intake reconcile shop-nl warehouse --since 7d --repair --dry-run",
    ),
)
@click.argument("provider")
@click.argument("target")
@click.option("--since", callback=parse_since, required=True, help="Orders placed since this time: 2026-03-01, or 7d.")
@click.option("--until", callback=parse_since, help="Orders placed before this time. Default: now.")
@click.option("--share", type=click.FloatRange(0.01, 1), default=1.0, help="Share of each rate limit to use (1).")
@click.option("--repair", is_flag=True, help="Send missing orders again, and update those that differ.")
@click.option("--dry-run", is_flag=True, help="With --repair: compare, and send nothing.")
@click.option("--yes", is_flag=True, help="With --repair: do not ask for confirmation.")
@click.option("--values", is_flag=True, help="Show the values that differ: personal data.")
@click.option("--most", type=click.IntRange(0), default=20, help="Number of findings of each kind to show (20).")
@json_option
@acting
def command(provider: str, target: str, **options: Any) -> None:
    """Compare a provider's orders with a target's.

    The exit code is 1 if the orders of PROVIDER and TARGET differ. Only --repair changes anything, and it asks for
    confirmation. Duplicated and extra orders are never changed.
    """
    rt = open_runtime(confirmed=options["repair"])
    provider = rt.settings.ledger_provider(provider)
    target = rt.settings.ledger_target(target)
    _require_pair(rt, provider, target)
    now = redis_time(rt)
    since, until = resolve_since(options["since"], now), resolve_time(options["until"] or now, now)
    if until <= since:
        raise click.UsageError("--until must be after --since")
    repair = options["repair"] and not options["dry_run"]
    if repair:
        question = f"Send the orders of {provider} that are missing or different in {target} again?"
        confirm_or_abort(question, yes=options["yes"])
        rt.installation.confirm()
    wish = RunOptions(provider, target, since, until, options["share"], grace_of(rt, provider), options["most"])
    asked = {"since": f"{since:%Y-%m-%d %H:%M} UTC", "until": f"{until:%Y-%m-%d %H:%M} UTC"}
    try:
        with recorded(rt, provider, target, action="reconcile --repair", dry_run=not repair, **asked) as act:
            report = _compare(rt, wish, console(err=True), act if repair else None)
            act.count(queued_again=report.counts["queued"])
    except AuthFailed as refused:
        raise click.ClickException(f"the credentials were refused: {refused}. Next: intake check") from None
    except IntakeError as error:
        raise click.ClickException(f"the comparison failed: {error}") from None
    rt.reports.save(provider, target, report.counts, findings=[each.as_json() for each in report.findings])
    if options["as_json"]:
        click.echo(json.dumps(report.as_json(values=options["values"]), indent=2))
    else:
        out = console()
        for part in render(report, values=options["values"]):
            out.print(part)
    if not report.clean:
        sys.exit(1)

"""`intake check`: check the settings, Redis, the broker, every account, and what is running."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import click

from worker.cli.results import wrapped
from worker.cli.setup.account_checks import Finding, examine_accounts
from worker.cli.setup.first_poll import examine_first_polls
from worker.cli.setup.pair_checks import examine_pairs
from worker.cli.setup.redis_checks import examine_clients, examine_distance, examine_server, unusable
from worker.cli.terminal import echo_styled
from worker.durations import count_of, format_duration
from worker.errors import ConfigError, StoreFull
from worker.operations.examples import examples
from worker.process.extras import install_command
from worker.runtime import Adapters, Runtime, read_settings, redis_url
from worker.settings.document import ConfigErrors
from worker.settings.env_file import is_readable_by_others
from worker.settings.identity import declared
from worker.settings.references import is_unique
from worker.store.health.signs import SWEPT
from worker.store.redis import embedded
from worker.store.redis.connection import ERRORS
from worker.store.redis.gathered import GatheredScripts
from worker.store.redis.server import inspect, measure
from worker.telemetry import traces
from worker.telemetry.printable import one_line
from worker.watch.judgements import alarms, judge
from worker.watch.snapshot import take_snapshot

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from worker.settings.load import Settings
    from worker.settings.registered import Comparison
    from worker.store.health.state import Snapshot

_COLOURS: Final = {"ok": "green", "warning": "yellow", "error": "red", "skipped": "blue"}
_OF_REDIS: Final[tuple[type[Exception], ...]] = (StoreFull, *ERRORS)
#: What happens where a reference does not follow from the key of one order.
_SHARED: Final = "not unique (a second order with the same reference is held)"


def examine(*, live: bool, security: bool = False) -> Iterator[Finding]:
    """Check everything; yield findings as they come, and do not wait twice for what cannot be reached.

    With `security`, check instead how the running deployment is protected.
    """
    try:
        settings = read_settings()
    except ConfigError as error:
        for problem in error.problems if isinstance(error, ConfigErrors) else [error]:
            yield Finding(problem.file, "error", f"{problem.key}: {problem.reason}", problem.remedy)
        return
    if security:
        from worker.cli.setup.security_checks import examine_security

        yield from examine_security(settings)
        return
    yield from examine_settings(settings)
    yield from examine_pairs(Adapters(settings))
    if not live:
        for what in ("redis", *_account_names(settings)):
            yield Finding(what, "skipped", "not checked", "Run without --offline.")
        return
    if settings.redis_url is None and not _embedded_runs(settings):
        yield Finding("redis", "ok", "the settings name none: `intake up` starts an embedded Valkey")
        is_new = embedded.read_url(settings.data_dir) is None
        yield from _examine_systems(Adapters(settings), settings.providers if is_new else ())
        return
    try:
        yield from _examine_live(settings)
    except _OF_REDIS as error:
        # Redis went away, or changed its state, between two of the checks.
        yield unusable("redis", error)


def _examine_live(settings: Settings) -> Iterator[Finding]:
    url = redis_url(settings)
    try:
        server = inspect(url)
    except ERRORS as error:
        yield unusable("redis", error, url)
        yield from _examine_accounts(Adapters(settings))
        return
    yield from examine_server(server, settings.alarms)
    yield from examine_distance(*measure(url))
    yield from examine_clients(settings)
    if server.cluster:
        yield from _examine_accounts(Adapters(settings))
        return
    rt = Runtime(settings, limits=GatheredScripts)
    yield from _examine_systems(rt, rt.cursors.unread(list(settings.providers)))
    yield from examine_registered(rt.installation.compare())
    yield from examine_running(rt)


def examine_registered(comparison: Comparison) -> Iterator[Finding]:
    """Yield the accounts that do not fit to the ledger, and those that have another name there."""
    for problem in comparison.problems:
        yield Finding(problem.key, "error", problem.reason, problem.remedy)
    for account in declared(comparison.settings, comparison.known.salt):
        entry = comparison.known.accounts.get((account.role, account.name))
        if entry and len(entry.names) > 1 and entry.names[0] not in account.formerly:
            detail = f"its name in the ledger is {entry.names[0]}, which would be lost with Redis"
            remedy = f'Add to it: formerly = ["{entry.names[0]}"].'
            yield Finding(f"{account.role} {entry.names[-1]}", "warning", detail, remedy)


def _examine_accounts(accounts: Adapters) -> Iterator[Finding]:
    """Check the accounts; skip those whose secrets this environment does not have (see `Needs`)."""
    providers, targets = accounts.settings.providers, accounts.settings.targets
    unkeyed = {f"provider {name}" for name, account in providers.items() if account.unset}
    unkeyed |= {f"target {name}" for name, account in targets.items() if account.unset}
    yield from examine_accounts(accounts, unkeyed=unkeyed)


def _examine_systems(accounts: Adapters, unread: Collection[str]) -> Iterator[Finding]:
    """Check the accounts; yield what the first poll would send of those that respond and were never read (`unread`)."""
    working: list[str] = []
    for finding in _examine_accounts(accounts):
        kind, _, name = finding.what.partition(" ")
        if finding.state == "ok" and kind == "provider" and name in unread:
            working.append(name)
        yield finding
    yield from examine_first_polls(accounts, working)


def examine_settings(settings: Settings) -> Iterator[Finding]:
    """Yield what valid settings say; refused settings never get here."""
    clocks, count = settings.clocks, len(settings.providers) + len(settings.targets)
    yield Finding(settings.file, "ok", f"{count_of(count, 'account')}, {count_of(len(settings.routes), 'route')}")
    if settings.env_file and is_readable_by_others(settings.env_file):
        detail = f"other users of this machine can read {settings.env_file.name}"
        yield Finding("secrets.env_file", "warning", detail, f"chmod 600 {settings.env_file.name}")
    lease, sweep = format_duration(clocks.lease), format_duration(clocks.sweep)
    yield Finding("clocks", "ok", f"orders of a killed worker are retried after {lease}, checked every {sweep}")
    for route in settings.routes:
        only = ", filtered" if route.only.model_dump(exclude_defaults=True) else ""
        changed = f", changed by {route.transform.name}" if route.transform else ""
        shared = "unique" if is_unique(route) else _SHARED
        detail = f"reference {route.reference} is {shared}{only}{changed}"
        yield Finding(f"route {route.source} > {', '.join(route.targets)}", "ok", detail)
    yield from _examine_producers(settings)
    yield from _examine_traces()


def _examine_traces() -> Iterator[Finding]:
    """Check that the tracing configured in the environment is possible."""
    if not (url := traces.endpoint()):
        return
    if traces.is_installed():
        # The user and the path of the URL may be secrets.
        yield Finding("traces", "ok", f"sent to {urlsplit(url).hostname}")
    else:
        detail = "the environment names a collector, but the extra `otel` is not installed"
        yield Finding("traces", "warning", detail, install_command("otel"))


def _examine_producers(settings: Settings) -> Iterator[Finding]:
    """Yield who may push jobs, and whether what that needs is installed and configured."""
    receives = all(importlib.util.find_spec(name) for name in ("starlette", "uvicorn"))
    for name, producer in settings.producers.items():
        what, signed = f"producer {name}", "signed" if producer.secret else "unsigned"
        if producer.kind and not receives:
            remedy = f"{install_command('receive')}, then: intake receive"
            yield Finding(what, "warning", f"its webhooks ({producer.kind}) need the extra `receive`", remedy)
        elif producer.kind:
            yield Finding(what, "ok", f"webhooks of {producer.kind} at /hooks/{name} (intake receive)")
        elif not producer.secret and settings.inbox.unsigned == "refuse":
            remedy = 'Set its secret = "env:NAME", or [inbox] unsigned = "accept".'
            yield Finding(what, "error", "it has no secret, and the inbox refuses unsigned jobs", remedy)
        else:
            yield Finding(what, "ok", f"jobs are {signed}")


def examine_running(rt: Runtime) -> Iterator[Finding]:
    """Yield the alarms that are raised now; while nothing runs only the pauses, since the others follow from that."""
    snapshot = take_snapshot(rt)
    raised = [alarm for alarm in alarms(judge(snapshot, rt.settings)) if not alarm.kind.startswith("redis_")]
    running = _is_running(snapshot, {alarm.kind for alarm in raised})
    if not running:
        yield Finding("processes", "skipped", "none are running", "Next: intake up")
    elif not any(alarm.severity == "standstill" for alarm in raised):
        yield Finding("processes", "ok", f"the last sweep was {snapshot.now - snapshot.signs[SWEPT]:.0f} s ago")
    for notice in judge(snapshot, rt.settings):
        if notice.kind == "unknown_status":
            yield Finding(f"provider {notice.subject}", "warning", notice.facts, notice.remedy)
    for alarm in raised:
        if running or alarm.kind.endswith("_paused") or alarm.kind == "account_gone":
            yield Finding(alarm.subject, "warning", alarm.facts, alarm.remedy)


def _is_running(snapshot: Snapshot, alarm_kinds: set[str]) -> bool:
    swept = SWEPT in snapshot.signs and not alarm_kinds & {"beat_silent", "upkeep_silent"}
    return swept or (bool(snapshot.signs) and "worker_silent" not in alarm_kinds)


def _account_names(settings: Settings) -> list[str]:
    return [*(f"provider {name}" for name in settings.providers), *(f"target {name}" for name in settings.targets)]


def _embedded_runs(settings: Settings) -> bool:
    url = embedded.read_url(settings.data_dir)
    return url is not None and embedded.is_ready(url)


@click.command("check", epilog=examples("intake check", "intake check --offline", "intake check --security"))
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option("--offline", is_flag=True, help="Check only the file: call neither Redis nor any account.")
@click.option("--security", is_flag=True, help="Check the protection of this deployment instead.")
def command(*, as_json: bool, offline: bool, security: bool) -> None:
    """Check the settings, Redis and every account.

    Every account is called once. With --security, the command checks encryption, rights in Redis, secrets, files,
    ports and users, and calls no account. The exit code is 1 if there is an error; warnings do not count.
    """
    if offline and security:
        raise click.UsageError("--offline and --security do not go together")
    findings: list[Finding] = []
    for finding in examine(live=not offline, security=security):
        findings.append(finding)
        if not as_json:
            remedy = f". {finding.remedy}" if finding.remedy else ""
            text = wrapped(one_line(f"{finding.state:<7}  {finding.what}: {finding.detail}{remedy}"), " " * 9)
            echo_styled(text[:7], nl=False, fg=_COLOURS[finding.state])
            click.echo(text[7:])
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False))
    if any(finding.state == "error" for finding in findings):
        raise SystemExit(1)

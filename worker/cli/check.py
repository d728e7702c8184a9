"""`intake check`: the file, Redis, and each account's credentials, looked at live."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

import click

from worker.durations import say_duration
from worker.errors import AuthFailed, ConfigError, IntakeError, SnoozeError, Unavailable
from worker.runtime import Adapters, Runtime, read_settings, redis_url
from worker.settings_file import ConfigErrors
from worker.store import embedded
from worker.store.server import Server, inspect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from worker.settings import Settings

_COLOURS: Final = {"ok": "green", "warning": "yellow", "wrong": "red"}
#: What Celery's transport needs.
_OLDEST: Final = (6, 2)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `remedy` says what to do where it is not ok."""

    what: str
    state: Literal["ok", "warning", "wrong"]
    detail: str
    remedy: str = ""


class Checkable(Protocol):
    """An adapter, as far as it is looked at here."""

    def check(self) -> None:
        """Prove the credentials."""


class Accounts(Protocol):
    """What the settings become, as far as it is looked at here (see `worker.runtime.Runtime`)."""

    @property
    def providers(self) -> Mapping[str, Checkable]: ...  # noqa: D102
    @property
    def targets(self) -> Mapping[str, Checkable]: ...  # noqa: D102


def examine(read: Callable[[], Settings], build: Callable[[Settings], Accounts]) -> Iterator[Finding]:
    """Look at everything, one finding after the other; what cannot be reached is not waited for twice."""
    try:
        settings = read()
    except ConfigErrors as errors:
        for error in errors.problems:
            yield Finding(error.file, "wrong", f"{error.key}: {error.reason}", error.remedy)
        return
    except ConfigError as error:
        yield Finding(error.file, "wrong", f"{error.key}: {error.reason}", error.remedy)
        return
    clocks, count = settings.clocks, len(settings.providers) + len(settings.targets)
    yield Finding(settings.file, "ok", f"{count} accounts, {len(settings.routes)} routes")
    lease, sweep = say_duration(clocks.lease), say_duration(clocks.sweep)
    yield Finding("clocks", "ok", f"a killed worker's orders are due again after {lease}, looked for each {sweep}")
    if settings.redis_url is None and not _embedded_runs(settings):
        yield Finding("redis", "ok", "none is named, and none runs: `intake up` starts an embedded Valkey")
        yield from examine_accounts(Adapters(settings))
        return
    try:
        server = inspect(redis_url(settings))
    except AuthFailed as error:
        yield Finding("redis", "wrong", str(error), "Look at the user and the password in redis.url.")
        return
    except Unavailable as error:
        remedy = "Start it, or correct redis.url." if settings.redis_url else "Start it with `intake up`."
        yield Finding("redis", "wrong", str(error), remedy)
        return
    yield from examine_server(server)
    yield from examine_accounts(build(settings))


def examine_accounts(accounts: Accounts) -> Iterator[Finding]:
    """Whether each account's credentials work."""
    for section, adapters in (("provider", accounts.providers), ("target", accounts.targets)):
        for name, adapter in adapters.items():
            yield examine_account(f"{section} {name}", adapter)


def _embedded_runs(settings: Settings) -> bool:
    url = embedded.url(settings.data_dir)
    return url is not None and embedded.is_ready(url)


def examine_server(server: Server) -> Iterator[Finding]:
    """Whether orders are safe in this Redis."""
    if server.replica:
        yield Finding(
            "redis", "wrong", f"{server.name} is a replica, and takes no writes", "Name its master in redis.url."
        )
    elif server.version[:2] < _OLDEST:
        yield Finding("redis", "wrong", f"{server.name} is too old", "Use Redis 6.2 or newer, or Valkey.")
    else:
        yield Finding("redis", "ok", f"{server.name} answers")
    if server.policy == "noeviction":
        yield Finding("redis eviction", "ok", "maxmemory-policy noeviction")
    else:
        detail = f"maxmemory-policy {server.policy}: a full Redis would throw orders away"
        yield Finding(
            "redis eviction", "wrong", detail, "CONFIG SET maxmemory-policy noeviction, and write it down there."
        )
    if not server.appends:
        detail = "appendonly no: a restart of Redis loses what producers pushed, and reads the rest again"
        yield Finding("redis persistence", "warning", detail, "CONFIG SET appendonly yes, and write it down there.")
    elif not server.last_write_ok:
        detail = "the last write to its file failed"
        yield Finding("redis persistence", "wrong", detail, "Make room on the disk of the Redis server.")
    else:
        yield Finding("redis persistence", "ok", "appendonly yes")
    if server.limit and server.used > 0.7 * server.limit:
        detail = f"{server.used / server.limit:.0%} of maxmemory is used"
        yield Finding("redis memory", "warning", detail, "Raise maxmemory: a full Redis takes no order.")


def examine_account(what: str, adapter: Checkable) -> Finding:
    """Whether the account's credentials work."""
    try:
        adapter.check()
    except AuthFailed as error:
        return Finding(what, "wrong", str(error), "Correct the credentials of this account.")
    except SnoozeError as error:
        return Finding(what, "warning", str(error), f"Ask again in {error.delay:.0f} s.")
    except IntakeError as error:
        return Finding(what, "wrong", str(error), "Look at the address: is it right, and does this machine reach it?")
    except Exception as error:  # noqa: BLE001  # one broken adapter must not hide what the others say
        detail = f"the check itself failed: {type(error).__name__}"
        return Finding(what, "wrong", detail, "This is a fault of the adapter: please report it.")
    return Finding(what, "ok", "the credentials work")


@click.command("check")
@click.option("--json", "as_json", is_flag=True, help="One JSON list instead of lines.")
def command(*, as_json: bool) -> None:
    """Look at the file, at Redis, and at every account, live; exit code 1 if something is wrong."""
    findings: list[Finding] = []
    for finding in examine(read_settings, Runtime):
        findings.append(finding)
        if not as_json:
            state = click.style(f"{finding.state:<7}", fg=_COLOURS[finding.state])
            remedy = f". {finding.remedy}" if finding.remedy else ""
            click.echo(f"{state}  {finding.what}: {finding.detail}{remedy}")
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False))
    if any(finding.state == "wrong" for finding in findings):
        raise SystemExit(1)

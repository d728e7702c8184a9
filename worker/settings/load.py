"""The settings: what `intake.toml` says, checked whole before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from worker.settings.addresses import web_url
from worker.settings.alarms import Alarming, read_alarming
from worker.settings.clocks import Clocks
from worker.settings.document import NAME, NO_NAME, Document, Key, Table, Wrong, names_of, read_file, secrets_of
from worker.settings.durations import Duration  # noqa: TC001  # pydantic reads it at run time
from worker.settings.maintenance import Maintenance, Window, windows, zone
from worker.settings.producers import InboxSettings, Producer, read_inbox, read_producers
from worker.settings.reconcile import Reconciling, read_reconciling
from worker.settings.routes import Route, conflicts, echoes
from worker.settings.servers import read_servers
from worker.store.limits.limit import Limit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from worker.settings.kinds import Kind, ProviderKind

#: Bytes of one answer, by default: a page of a thousand orders is well below.
_MAX_BYTES: Final = 32 * 1024 * 1024
_K = TypeVar("_K", bound="Kind")
_T = TypeVar("_T", bound="_AccountTable")


def _limits(value: Any) -> tuple[Limit, ...]:
    """One window or several, the shortest first: that one is spaced evenly. "none": as fast as they answer."""
    if value == "none":
        return ()
    try:
        limits = [Limit.parse(text) for text in ([value] if isinstance(value, str) else value)]
    except (AttributeError, TypeError, ValueError):
        raise Wrong("is not a limit", 'Write "10/s", "600/m", or several windows: ["10/s", "50000/d"].') from None
    if not limits or len({limit.period for limit in limits}) < len(limits):
        raise Wrong("needs one limit for each window", 'Write each window once: ["10/s", "50000/d"].')
    return tuple(sorted(limits, key=lambda limit: limit.period))


class Log(Table):
    """How much is logged, and in which form."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "text"] = "auto"


class _AccountTable(Table):
    kind: str
    url: Annotated[str, AfterValidator(web_url)] | None = None
    limit: Annotated[tuple[Limit, ...], BeforeValidator(_limits)] | None = None
    limit_scope: Annotated[str, Field(pattern=r"^[A-Za-z0-9@:._-]{1,80}$")] | None = None
    max_bytes: int = Field(default=_MAX_BYTES, ge=65_536)
    maintenance: Annotated[tuple[Window, ...], BeforeValidator(windows)] = ()
    maintenance_zone: Annotated[str, AfterValidator(zone)] = "UTC"


class _ProviderTable(_AccountTable):
    poll_every: Duration | None = None
    look_back: Duration = 30 * 86_400.0


class _TargetTable(_AccountTable):
    concurrency: int = Field(default=2, ge=1, le=64)
    max_tries: int = Field(default=12, ge=1, le=1000)


class Account(Table):
    """What one provider and one target have in common; `limits` has the shortest window first."""

    name: str
    kind: str
    url: str
    limits: tuple[Limit, ...]
    limit_scope: str
    max_bytes: int = _MAX_BYTES
    maintenance: Maintenance = Maintenance()
    #: An instance of the kind's own `Options`, secrets resolved.
    options: BaseModel


class ProviderSettings(Account):
    """One configured provider; times in seconds."""

    poll_every: float
    look_back: float


class TargetSettings(Account):
    """One configured target."""

    concurrency: int
    max_tries: int


class Settings(Table):
    """All of it; `redis_url` is None for the embedded server, `broker_url` where the ledger's Redis is the broker."""

    file: str
    redis_url: str | None = Field(default=None, repr=False)
    broker_url: str | None = Field(default=None, repr=False)
    data_dir: Path
    clocks: Clocks = Clocks()
    log: Log = Log()
    providers: dict[str, ProviderSettings]
    targets: dict[str, TargetSettings]
    producers: dict[str, Producer] = Field(default_factory=dict)
    inbox: InboxSettings = InboxSettings()
    routes: tuple[Route, ...]
    reconcile: Reconciling = Reconciling()
    alarms: Alarming = Alarming()

    def mirrors(self, provider: str) -> tuple[str, ...]:
        """The targets that write into the account which `provider` reads."""
        return _mirrors(self.providers[provider], self.targets)


def _mirrors(source: Account, targets: Mapping[str, TargetSettings]) -> tuple[str, ...]:
    return tuple(name for name, it in targets.items() if (it.kind, it.url) == (source.kind, source.url))


def load(
    path: Path | None,
    environ: Mapping[str, str],
    provider_kinds: Mapping[str, ProviderKind],
    target_kinds: Mapping[str, Kind],
) -> Settings:
    """Read `path`, or the file that $INTAKE_CONFIG names, or `intake.toml` here.

    `redis.data_dir` is counted from the folder of the file, so that all processes mean the same one; $INTAKE_DATA_DIR
    goes before it, for a container whose folder of settings cannot be written. $INTAKE_ADDRESS names the address that
    this process goes out by, where there are several: a limit per address is then one for each name.

    Raises:
        ConfigError: The file cannot be read, or (as ConfigErrors) all that is wrong with it at once.
    """
    path = path or Path(environ.get("INTAKE_CONFIG") or "intake.toml")
    document = read_file(path, environ)
    known = "redis celery clocks log providers producers inbox targets routes reconcile alarms"
    sections = set(known.split())
    for name in sorted(document.values.keys() - sections):
        document.unknown((name,), sections)
    redis, celery = read_servers(document)
    clocks = document.read(Clocks, document.values.get("clocks", {}), ("clocks",)) or Clocks()
    for key, reason, remedy in clocks.conflicts():
        document.wrong(("clocks", key), reason, remedy)
    providers = {
        name: ProviderSettings(
            **common, poll_every=table.poll_every or kind.default_poll_every, look_back=table.look_back
        )
        for name, kind, table, common in _accounts(document, "providers", _ProviderTable, provider_kinds)
    }
    targets = {
        name: TargetSettings(**common, concurrency=table.concurrency, max_tries=table.max_tries)
        for name, _, table, common in _accounts(document, "targets", _TargetTable, target_kinds, provider_kinds)
    }
    producers = read_producers(document)
    inbox = read_inbox(document, producers)
    log = document.read(Log, document.values.get("log", {}), ("log",)) or Log()
    sources = [account for account in providers.values() if provider_kinds[account.kind].reference_field]
    routes = _routes(document, {name for account in sources for name in _mirrors(account, targets)})
    reconcile = read_reconciling(document, routes, providers)
    alarms = read_alarming(document, providers)
    document.refuse_if_wrong()
    return Settings(
        file=document.file,
        redis_url=redis.url,
        broker_url=celery.broker,
        data_dir=path.absolute().parent / (environ.get("INTAKE_DATA_DIR") or redis.data_dir),
        clocks=clocks,
        log=log,
        providers=providers,
        targets=targets,
        producers=producers,
        inbox=inbox,
        routes=routes,
        reconcile=reconcile,
        alarms=alarms,
    )


def _accounts(
    document: Document,
    section: str,
    model: type[_T],
    kinds: Mapping[str, _K],
    readable: Collection[str] = (),
) -> Iterator[tuple[str, _K, _T, dict[str, Any]]]:
    """The accounts of a section that are right, each as its name, kind, table and the fields all accounts have."""
    tables = document.values.get(section, {})
    if not isinstance(tables, dict) or not tables:
        document.wrong((section,), "names no account", f"Write a table [{section}.NAME] with its kind.")
        return
    for name, table in tables.items():
        at: Key = (section, name)
        if not NAME.fullmatch(name):
            document.wrong(at, *NO_NAME)
        elif not isinstance(table, dict):
            document.wrong(at, "must be a table", f"Write its keys under [{section}.{name}].")
        elif (word := table.get("kind")) not in kinds and isinstance(word, str) and word in readable:
            remedy = f"It can be a provider only; targets are: {', '.join(sorted(kinds))}."
            document.wrong((*at, "kind"), f"{word} cannot be a target: its API cannot write orders", remedy)
        elif not isinstance(word, str) or word not in kinds:
            reason = "is not known" if "kind" in table else "is missing"
            document.wrong((*at, "kind"), reason, f"Known here: {', '.join(sorted(kinds))}.")
        elif (account := _account(document, at, table, model, kinds[word])) is not None:
            yield name, kinds[word], *account


def _account(
    document: Document, at: Key, table: dict[str, Any], model: type[_T], kind: Kind
) -> tuple[_T, dict[str, Any]] | None:
    ours, theirs = names_of(model), names_of(kind.Options)
    for key in sorted(table.keys() - ours - theirs):
        document.unknown((*at, key), ours | theirs)
    for key in sorted(secrets_of(kind.Options) & table.keys()):
        if isinstance(table[key], str) and (*at, key) not in document.from_environment:
            document.refuse_literal((*at, key))
    options = document.read(kind.Options, {key: table[key] for key in table.keys() & (theirs - ours)}, at)
    own = document.read(model, {key: table[key] for key in table.keys() & ours}, at)
    if own is None or options is None:
        return None
    url = own.url or getattr(kind, "default_url", None)
    if url is None:
        document.wrong((*at, "url"), "is missing", 'Add url = "https://…", the address of this account.')
        return None
    _check_limit(document, at, own, kind)
    return own, {
        "name": at[1],
        "kind": own.kind,
        "url": url,
        "limits": _limits(kind.default_limit) if own.limit is None else own.limit,
        "limit_scope": own.limit_scope
        or (f"{own.kind}@{document.address}" if kind.limit_per_address else f"{own.kind}:{at[1]}"),
        "max_bytes": own.max_bytes,
        "maintenance": Maintenance(own.maintenance, own.maintenance_zone),
        "options": options,
    }


def _check_limit(document: Document, at: Key, own: _AccountTable, kind: Kind) -> None:
    """An account may lower its limit as it likes, and raise it up to the documented one."""
    if own.limit is None or kind.documented_limit is None:
        return
    if not own.limit or own.limit[0].rate > Limit.parse(kind.documented_limit).rate:
        document.wrong(
            (*at, "limit"),
            f"{own.limit[0] if own.limit else 'none'} is more than {own.kind} allows, which is {kind.documented_limit}",
            f'Write limit = "{kind.documented_limit}" or less.',
        )


def _routes(document: Document, mirrored: Collection[str]) -> tuple[Route, ...]:
    tables = document.values.get("routes", [])
    if not isinstance(tables, list) or not tables:
        document.wrong(("routes",), "has no route", "Write a table [[routes]] with from and to.")
        return ()
    read = [document.read(Route, table, ("routes", number)) for number, table in enumerate(tables)]
    _check_ends(document, tables)
    if None not in read:
        routes = [route for route in read if route]
        for number, key, reason, remedy in [*conflicts(routes), *echoes(routes, mirrored)]:
            document.wrong(("routes", number, key), reason, remedy)
    return tuple(route for route in read if route)


def _check_ends(document: Document, tables: list[Any]) -> None:
    """Each end of a route must be an account, and each account must be the end of a route."""
    used: dict[str, set[str]] = {"providers": set(), "targets": set()}
    pushing = document.values.get("producers", {})
    for number, table in enumerate(tables):
        for key, section in (("from", "providers"), ("to", "targets")):
            names = table.get(key, ()) if isinstance(table, dict) else ()
            listed = [names] if isinstance(names, str) else names
            for name in filter(lambda name: isinstance(name, str), listed if isinstance(listed, list) else ()):
                used[section].add(name)
                if section == "providers" and isinstance(pushing, dict) and name in pushing:
                    continue
                _check_end(document, ("routes", number, key), section, name)
    for section, names in used.items():
        accounts = document.values.get(section, {})
        for name in sorted(accounts.keys() - names) if isinstance(accounts, dict) else ():
            reason = "is in no route: its orders would go nowhere" if section == "providers" else "is in no route"
            document.wrong((section, name), reason, "Add a [[routes]] table for it, or take it out.")


def _check_end(document: Document, key: Key, section: str, name: str) -> None:
    accounts = document.values.get(section, {})
    if not isinstance(accounts, dict) or name not in accounts:
        known = ", ".join(sorted(accounts)) or "none"
        document.wrong(key, f"{name} is not one of the {section}", f"Known here: {known}.")

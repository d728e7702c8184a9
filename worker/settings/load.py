"""The settings: `intake.toml` as a whole, checked before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, Field

from worker.settings.accounts import Account, ProviderSettings, TargetSettings, read_accounts
from worker.settings.addresses import broker_url, has_password, redis_url
from worker.settings.alarms import AlarmSettings, read_alarms
from worker.settings.clocks import Clocks
from worker.settings.document import Document, read_file
from worker.settings.in_use import VARIABLE
from worker.settings.needs import EVERYTHING
from worker.settings.producers import InboxSettings, Producer, read_inbox, read_producers
from worker.settings.receivers import Mail, read_mail
from worker.settings.reconcile import ReconcileSettings, read_reconcile
from worker.settings.references import shared_ids
from worker.settings.routes import Route, conflicts, echoes
from worker.settings.tables import MAY_BE_SECRET, Table, as_list
from worker.settings.web import WebSettings, read_web
from worker.store.registry.registry import Template  # noqa: TC001  # pydantic reads it at run time

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from worker.settings.kinds import AdapterKind, ProviderKind, WebhookKind
    from worker.settings.needs import Needs


class Redis(Table):
    """The `[redis]` table: the server of the ledger. Without a URL, the embedded server keeps it in `data_dir`."""

    url: Annotated[str, AfterValidator(redis_url), MAY_BE_SECRET] | None = None
    data_dir: str = Field(default=".intake", min_length=1)


class Celery(Table):
    """The broker that carries the nudges; without a broker of its own, the Redis of the ledger."""

    broker: Annotated[str, AfterValidator(broker_url), MAY_BE_SECRET] | None = None


class Log(Table):
    """The `[log]` table: how much is logged, and in which form."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "text"] = "auto"


class Secrets(Table):
    """The `[secrets]` table: a file with variables for `env:NAME`. The environment has precedence over it."""

    env_file: str | None = Field(default=None, min_length=1)


#: The tables that the file may have, and the model of each, or of each table in it (`[providers.NAME]`).
SECTION_MODELS: Final[Mapping[str, type[BaseModel]]] = {
    "secrets": Secrets,
    "redis": Redis,
    "celery": Celery,
    "clocks": Clocks,
    "log": Log,
    "providers": ProviderSettings,
    "producers": Producer,
    "inbox": InboxSettings,
    "targets": TargetSettings,
    "routes": Route,
    "reconcile": ReconcileSettings,
    "alarms": AlarmSettings,
    "mail": Mail,
    "web": WebSettings,
}


class Settings(Table):
    """All settings.

    `redis_url` is None for the embedded server; `broker_url` is None if the Redis of the ledger is the broker too.
    """

    file: str
    #: The text of the file, and what tells it from another one (see `worker/settings/fingerprint.py`).
    text: str = Field(default="", repr=False)
    fingerprint: str = ""
    #: The file with variables that `[secrets] env_file` names.
    env_file: Path | None = None
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
    reconcile: ReconcileSettings = ReconcileSettings()
    alarms: AlarmSettings = AlarmSettings()
    web: WebSettings = WebSettings()
    #: The server that sends e-mails; None without a `[mail]` table.
    mail: Mail | None = None
    #: The keys whose variables or files are not there: only for commands that call no account.
    unset: frozenset[str] = frozenset()
    #: Why the file cannot be used any more, and its fingerprint, where these settings are those of the processes that
    #: run: a person has changed the file since then.
    file_problem: str = ""
    file_fingerprint: str = ""
    #: The names in the ledger, by every name that an account has or had (see `worker/settings/naming.py`).
    provider_names: dict[str, str] = Field(default_factory=dict)
    target_names: dict[str, str] = Field(default_factory=dict)
    #: The templates of references that the orders of each provider have or had in each target.
    templates: dict[tuple[str, str], tuple[Template, ...]] = Field(default_factory=dict)
    #: The targets of the registry that the file does not name, by their names in the ledger.
    absent_targets: tuple[str, ...] = ()
    #: A route for each template that no route has any more.
    former_routes: tuple[Route, ...] = ()

    def ledger_provider(self, name: str) -> str:
        """Return the name in the ledger of the provider or producer that is, or was, called `name`."""
        return self.provider_names.get(name, name)

    def tolerance_of(self, producer: str) -> float:
        """Return the age, in seconds, at which a signature of this producer expires."""
        own = self.producers[producer].tolerance
        return self.inbox.tolerance if own is None else own

    def ledger_target(self, name: str) -> str:
        """Return the name in the ledger of the target that is, or was, called `name`."""
        return self.target_names.get(name, name)

    def targets_of(self, source: str) -> list[str]:
        """Return the targets to which a route sends orders of a provider or producer."""
        return list(dict.fromkeys(to for route in self.routes if route.source == source for to in route.targets))

    def start_of(self, source: str) -> datetime | None:
        """Return the start of a provider; None for a producer, whose orders are created whenever they were placed."""
        return self.providers[source].start if source in self.providers else None

    @property
    def all_routes(self) -> tuple[Route, ...]:
        """The routes, and those by which orders were created before."""
        return self.routes + self.former_routes

    def mirrors(self, provider: str) -> tuple[str, ...]:
        """Return the targets that write into the account that `provider` reads."""
        return _mirrors(self.providers[provider], self.targets)


def _mirrors(source: Account, targets: Mapping[str, TargetSettings]) -> tuple[str, ...]:
    account = (source.kind, source.url)
    return tuple(name for name, target in targets.items() if (target.kind, target.url) == account)


def load(  # noqa: PLR0913  # the file, what may stand in it, and how strict to be
    path: Path | None,
    environ: Mapping[str, str],
    provider_kinds: Mapping[str, ProviderKind],
    target_kinds: Mapping[str, AdapterKind],
    webhook_kinds: Mapping[str, WebhookKind],
    *,
    needs: Needs = EVERYTHING,
) -> Settings:
    """Read `path`, or else the file that $INTAKE_CONFIG names, or else `intake.toml` in the working directory.

    `redis.data_dir` is relative to the folder of the file, so that all processes use the same one. $INTAKE_DATA_DIR
    overrides it, for a container in which that folder is read-only. $INTAKE_IN_USE names a copy to read instead.
    $INTAKE_ADDRESS names the outgoing address of this process, if there are several: a limit per address then counts
    for each name. What is not there is an error as far as somebody `needs` it; a map that nobody needs and that cannot
    be read is empty (see `Account.map_problems`). Without the address of Redis or of the broker nothing works.

    Raises:
        ConfigError: The file cannot be read, or (as ConfigErrors, all at once) its settings are wrong.
    """
    copy = Path(environ[VARIABLE]) if path is None and environ.get(VARIABLE) else None
    path = path or Path(environ.get("INTAKE_CONFIG") or "intake.toml")
    document = read_file(path, environ, copy=copy, needs=needs)
    for name in sorted(document.values.keys() - set(SECTION_MODELS)):
        document.add_unknown((name,), SECTION_MODELS)
    document.section(Secrets, "secrets")
    redis, celery = document.section(Redis, "redis"), document.section(Celery, "celery")
    for at, url in ((("redis", "url"), redis.url), (("celery", "broker"), celery.broker)):
        if url and has_password(url) and at not in document.from_outside:
            document.add_literal_secret(at)
    clocks = document.section(Clocks, "clocks")
    for key, reason, remedy in clocks.conflicts():
        document.add_error(("clocks", key), reason, remedy)
    providers = read_accounts(document, "providers", ProviderSettings, provider_kinds)
    targets = read_accounts(document, "targets", TargetSettings, target_kinds, provider_kinds)
    producers = read_producers(document, webhook_kinds)
    inbox = read_inbox(document, producers)
    log = document.section(Log, "log")
    sources = [account for account in providers.values() if provider_kinds[account.kind].reference_field]
    routes = _routes(document, {name for account in sources for name in _mirrors(account, targets)})
    for number, route in enumerate(routes):
        if (source := providers.get(route.source)) and (within := provider_kinds[source.kind].source_id_within):
            for reason, remedy in shared_ids(route, within, getattr(source.options, within, None)):
                document.add_error(("routes", number, "reference"), reason, remedy)
    reconcile = read_reconcile(document, routes, providers)
    alarms = read_alarms(document, providers, {*providers, *targets})
    mail, web = read_mail(document), read_web(document)
    document.raise_errors()
    return Settings(
        file=document.file,
        text=document.text,
        fingerprint=document.fingerprint,
        env_file=document.env_file,
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
        mail=mail,
        web=web,
        unset=document.unset,
    )


def _routes(document: Document, mirrored: Collection[str]) -> tuple[Route, ...]:
    tables = document.values.get("routes", [])
    if not isinstance(tables, list) or not tables:
        document.add_error(("routes",), "has no route", "Write a table [[routes]] with from and to.")
        return ()
    read = [document.read(Route, table, ("routes", number)) for number, table in enumerate(tables)]
    _check_ends(document, tables)
    if None not in read:
        routes = [route for route in read if route]
        for number, key, reason, remedy in [*conflicts(routes), *echoes(routes, mirrored)]:
            document.add_error(("routes", number, key), reason, remedy)
    return tuple(route for route in read if route)


def _check_ends(document: Document, tables: list[Any]) -> None:
    """Check that each end of a route is an account, and that each account is the end of a route."""
    used: dict[str, set[str]] = {"providers": set(), "targets": set()}
    for number, table in enumerate(tables):
        for key, section in (("from", "providers"), ("to", "targets")):
            names = as_list(table.get(key)) if isinstance(table, dict) else None
            for name in filter(lambda name: isinstance(name, str), names if isinstance(names, list) else ()):
                used[section].add(name)
                accounts = document.tables(section)
                if name not in accounts and not (section == "providers" and name in document.tables("producers")):
                    remedy = f"Choose from: {', '.join(sorted(accounts)) or 'none'}."
                    document.add_error(("routes", number, key), f"{name} is not one of the {section}", remedy)
    for section, names in used.items():
        for name in sorted(document.tables(section).keys() - names):
            reason = "is in no route: its orders would go nowhere" if section == "providers" else "is in no route"
            document.add_error((section, name), reason, "Add a [[routes]] table for it, or remove it.")

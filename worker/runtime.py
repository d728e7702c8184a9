"""The composition root: it builds the objects of a process from its settings."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Self, TypeVar

from worker.errors import ConfigError
from worker.failpoints import forget_counts
from worker.http.client import Client
from worker.http.gates import MaintenanceGate, Open, Pace
from worker.process.environment import environment
from worker.process.renewal import renew_by
from worker.settings.in_use import VARIABLE
from worker.settings.installation import Installation
from worker.settings.load import load
from worker.settings.needs import NOTHING, needs_here
from worker.settings.secret_files import current_secrets
from worker.store.feeds.backfills import Backfills
from worker.store.feeds.cursors import Cursors
from worker.store.feeds.fetches import Fetches
from worker.store.feeds.left_out import LeftOuts
from worker.store.feeds.reports import Reports
from worker.store.health.nudges import Nudges
from worker.store.health.signs import Signs
from worker.store.inbox import Inbox
from worker.store.limits.limit import combine_limits
from worker.store.limits.limiter import Scope
from worker.store.orders.lanes import Lane
from worker.store.orders.ledger import Ledger
from worker.store.orders.numbers import Numbers
from worker.store.orders.stuck import Stuck
from worker.store.orders.target_ids import TargetIds
from worker.store.redis import embedded
from worker.store.redis.connection import Patience, connect
from worker.store.redis.scripts import Scripts
from worker.systems.providers import provider_kinds
from worker.systems.references import decode
from worker.systems.targets import target_kinds
from worker.systems.webhooks import webhook_kinds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from redis import Redis

    from schemas.order import Order
    from worker.doubt import Listing
    from worker.http.gates import Gate
    from worker.settings.accounts import Account, ProviderSettings, TargetSettings
    from worker.settings.load import Settings
    from worker.settings.needs import Needs
    from worker.store.limits.limit import Limit
    from worker.store.orders.delivery import OnChange
    from worker.systems.provider import Provider
    from worker.systems.target import Target

_A = TypeVar("_A", bound="Provider | Target")


def read_settings(
    path: Path | None = None, *, offline: bool = False, copy: Path | None = None, needs: Needs | None = None
) -> Settings:
    """Read the settings from `path`, or $INTAKE_CONFIG, or `intake.toml` in this folder. Raise ConfigError.

    With `copy`, they are those of a copy of the file. What has to be there follows from `needs`, or else from the
    process that the environment is for; with `offline`, for what calls no account and sends no message, nothing has to.
    """
    kinds = provider_kinds(), target_kinds(), webhook_kinds()
    environ = environment() if copy is None else {**environment(), VARIABLE: str(copy)}
    needs = NOTHING if offline else needs or needs_here(environ)
    return load(path, environ, *kinds, needs=needs)


class Adapted(dict[str, _A]):
    """Adapters by name. One that is looked up gets its account's options again if a file of theirs has changed."""

    def __init__(self, accounts: Mapping[str, Account], adapters: Mapping[str, _A]) -> None:
        super().__init__(adapters)
        self._accounts = accounts
        self._known = {name: (account.options, current_secrets(account.options)) for name, account in accounts.items()}

    def __getitem__(self, name: str) -> _A:
        adapter = super().__getitem__(name)
        options = self._accounts[name].current_options
        known, secrets = self._known[name]
        if options is not known or (secrets and current_secrets(options) != secrets):
            self._known[name] = options, current_secrets(options)
            adapter.configure(options)
        return adapter


def redis_url(settings: Settings) -> str:
    """Return the address of Redis: from the settings, or of the embedded server that `intake up` runs."""
    url = settings.redis_url or embedded.read_url(settings.data_dir)
    if url is None:
        raise ConfigError(
            settings.file,
            "redis.url",
            "no Redis is named, and no embedded server runs here",
            'Start everything with `intake up`, or write [redis] url = "redis://host:6379/0".',
        )
    return url


class Adapters:
    """The adapters of the configured accounts: for checks that run before there is a Redis, which keeps the limits."""

    #: Whether the connections of each account are prepared with its adapter; else for its first call.
    _connects_at_once = True

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._paces: dict[str, Pace] = {}

    def gate_of(self, account: Account) -> Gate:
        """Return the gate that every call of the account has to pass: a pace that all accounts of a limit share."""
        limits = self._limits(account.limit_scope)
        pace = Pace(Open(), 1 / limits[0].rate if limits else 0.0)
        return self._paces.setdefault(account.limit_scope, pace)

    def _limits(self, scope: str) -> tuple[Limit, ...]:
        """Return the limits that keep those of every account of the scope."""
        accounts = [*self.settings.providers.values(), *self.settings.targets.values()]
        return combine_limits(account.limits for account in accounts if account.limit_scope == scope)

    def _adapter(self, account: ProviderSettings | TargetSettings, kind: type[Any]) -> Any:
        client = Client(
            account.url,
            gate=self.gate_of(account),
            headers={},
            deadline=self.settings.clocks.request,
            max_bytes=account.max_bytes,
            throttle_statuses=kind.throttle_statuses,
            unheard=self.settings.clocks.lease / 2,
            at_once=self._connects_at_once,
        )
        return kind(account.name, account.options, client)

    @cached_property
    def providers(self) -> dict[str, Provider]:
        """Return the adapters of the configured providers by name."""
        kinds, accounts = provider_kinds(), self.settings.providers
        adapters = {name: self._adapter(account, kinds[account.kind]) for name, account in accounts.items()}
        return Adapted[Any](accounts, adapters)

    @cached_property
    def targets(self) -> dict[str, Target]:
        """Return the adapters of the configured targets by name."""
        kinds, accounts = target_kinds(), self.settings.targets
        adapters = {name: self._adapter(account, kinds[account.kind]) for name, account in accounts.items()}
        return Adapted[Any](accounts, adapters)

    def is_echo(self, order: Order) -> bool:
        """Return whether the order is an echo: Intake created it in the account that it was read from."""
        provider = self.providers.get(order.provider)
        text = getattr(order, provider.reference_field) if provider and provider.reference_field else None
        return text is not None and any(
            route.may_have_made(decode(text, self.targets[name].alphabet))
            for name in self.settings.mirrors(order.provider)
            for route in self.settings.all_routes
            if name in route.targets
        )

    def now(self) -> datetime:
        """Return the time by the clock of this machine."""
        return datetime.now(UTC)

    def first_cursor(self, provider: str, now: datetime | None = None) -> str:
        """Return the cursor of the first poll, which begins at `start`, or now if that lies ahead."""
        return self.providers[provider].start(min(now or self.now(), self.settings.providers[provider].start))


class Runtime(Adapters):
    """Everything that a task works with, built from the settings once for each process.

    With `offline`, no account is called: the connections of an account are prepared for its first call, if any.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        patience: Patience = "long",
        limits: type[Scripts] = Scripts,
        offline: bool = False,
    ) -> None:
        self._paces = {}
        self._connects_at_once = not offline
        clocks, self._patience, self._redis_url = settings.clocks, patience, redis_url(settings)
        self.redis: Redis = connect(self._redis_url, patience=patience)
        self._limit_scripts = limits(self.redis)
        self.installation = Installation(self.redis, settings)
        self.cursors = Cursors(self.redis, lease=clocks.lease, heartbeat=clocks.heartbeat)
        self.backfills = Backfills(self.redis, lease=clocks.lease, heartbeat=clocks.heartbeat)
        self.ledger = Ledger(self.redis, lease=clocks.lease)
        self.nudges = Nudges(self.redis, clocks.hint)
        self.fetches = Fetches(self.redis)
        self.signs = Signs(self.redis)
        #: The index of each target by name, with the epoch of the ledger it was read for (see `tasks/target_index.py`).
        self.target_indexes: dict[str, tuple[str, Listing]] = {}
        #: The lists of targets that were read in part for their orders in doubt (see `tasks/doubt.py`).
        self.doubt_listings: dict[str, Listing] = {}
        self.reports = Reports(self.redis, lease=clocks.lease, heartbeat=clocks.heartbeat)

    @cached_property
    def settings(self) -> Settings:  # type: ignore[override]  # read when it is needed first: Redis may be away before
        """Return the settings, with each account under the name that it has in the ledger."""
        return self.installation.settings

    @cached_property
    def inbox(self) -> Inbox:
        """Return the inbox. It has its own connection: jobs are undecoded bytes, and a taker blocks while it waits."""
        clocks = self.settings.clocks
        redis = connect(self._redis_url, text="raw", patience=self._patience)
        return Inbox(redis, lease=clocks.lease, heartbeat=clocks.heartbeat)

    @cached_property
    def numbers(self) -> Numbers:
        """Return the numbers that people know orders by."""
        return Numbers(self.redis)

    @cached_property
    def target_ids(self) -> TargetIds:
        """Return the ids that the targets gave the orders."""
        return TargetIds(self.redis)

    @cached_property
    def left_outs(self) -> LeftOuts:
        """Return the orders that no route creates."""
        return LeftOuts(self.redis)

    def close(self) -> None:
        """Close every connection that was opened."""
        self.redis.close()
        if "inbox" in self.__dict__:
            self.inbox.redis.close()
        for accounts in (self.__dict__.get("providers", {}), self.__dict__.get("targets", {})):
            for adapter in accounts.values():
                adapter.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _scope(self, name: str) -> Scope:
        """Return the scope `name`, which keeps the limits of all accounts that share it."""
        return Scope(self.redis, name, self._limits(name), scripts=self._limit_scripts)

    def gate_of(self, account: Account) -> Gate:
        """Return the gate of the account: its maintenance, then the limit that all processes share."""
        return self.maintenance_gate(account, self.scopes[account.limit_scope])

    def maintenance_gate(self, account: Account, gate: Gate) -> Gate:
        """Return `gate`, closed during the maintenance of the account."""
        return MaintenanceGate(gate, lambda: self._maintenance_left(account)) if account.maintenance.windows else gate

    def provider_maintenance_left(self, name: str, now: datetime | None = None) -> float:
        """Return the seconds from `now` until the maintenance of the provider ends, or 0 if it is not in maintenance.

        Without `now`, Redis is asked for the time.
        """
        return self._maintenance_left(self.settings.providers[name], now)

    def target_maintenance_left(self, name: str, now: datetime | None = None) -> float:
        """Return the same of the target."""
        return self._maintenance_left(self.settings.targets[name], now)

    def others_wait(self, task: str, name: str) -> bool:
        """Return whether work other than this task of this account waits for a worker."""
        return self.nudges.others_wait(task, name, [*self.settings.providers, *self.settings.targets])

    def _maintenance_left(self, account: Account, now: datetime | None = None) -> float:
        if not account.maintenance.windows:
            return 0.0
        return account.maintenance.left(now or self.now())

    def now(self) -> datetime:
        """Return the time by the clock of Redis, which is the same for all processes."""
        return datetime.fromtimestamp(self.cursors.now() / 1000, UTC)

    @cached_property
    def scopes(self) -> dict[str, Scope]:
        """Return the rate-limit scopes by name."""
        accounts = [*self.settings.providers.values(), *self.settings.targets.values()]
        return {name: self._scope(name) for name in {account.limit_scope for account in accounts}}

    @cached_property
    def lanes(self) -> dict[str, Lane]:
        """Return the lanes by target name."""
        clocks = self.settings.clocks
        return {
            name: Lane(
                self.redis,
                name,
                self.scopes[account.limit_scope],
                lease=clocks.lease,
                heartbeat=clocks.heartbeat,
                max_tries=account.max_tries,
                concurrency=account.concurrency,
                per_call=self.targets[name].bulk,
                quarantine=self._quarantine(self.targets[name]),
            )
            for name, account in self.settings.targets.items()
        }

    def _quarantine(self, target: Target) -> float:
        """Return the seconds during which a new ledger sends nothing to a target that accepts duplicates.

        A drain of the previous ledger begins its last write within a lease, and ends it within a request. After that a
        search finds the order: at once, or after `clocks.arrived` at a target that shows orders late.
        """
        if target.dedupes:
            return 0.0
        clocks = self.settings.clocks
        return clocks.lease + clocks.request + (0.0 if target.settles else clocks.arrived)

    @cached_property
    def stuck(self) -> dict[str, Stuck]:
        """Return the dead orders and the orders in doubt, by target name."""
        return {name: Stuck(self.redis, name) for name in self.settings.targets}

    def on_change(self, provider: str, target: str) -> OnChange:
        """Return how the routes handle orders of the provider that change after their delivery to the target."""
        return next(r.on_change for r in self.settings.routes if r.source == provider and target in r.targets)

    def sends_changes(self, provider: str, target: str) -> bool:
        """Return whether orders of the provider that change after delivery may be updated in the target."""
        routes = [r for r in self.settings.routes if r.source == provider and target in r.targets]
        return self.targets[target].updates and any(route.on_change != "ignore" for route in routes)


@cache
def process_settings() -> Settings:
    """Return the settings of this process and of the processes of its pool: they stay as they were at its start."""
    return read_settings()


@cache
def runtime() -> Runtime:
    """Return the runtime of this process. The first call is made inside a task, so no fork shares its connections."""
    return Runtime(process_settings())


renew_by(process_settings.cache_clear, runtime.cache_clear, forget_counts)


def confirmed_runtime() -> Runtime:
    """Return the runtime of this process, for a task that reads, accepts or sends orders.

    Raise ConfigError if the ledger is not that of the accounts in the settings (see `Installation.confirm`).
    """
    rt = runtime()
    rt.installation.confirm()
    return rt

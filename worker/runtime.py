"""The composition root: settings become objects."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Self

from worker.errors import ConfigError
from worker.http.client import Client
from worker.http.gates import MaintenanceGate, Open
from worker.settings.load import load
from worker.store.feeds.backfills import Backfills
from worker.store.feeds.cursors import Cursors
from worker.store.feeds.fetches import Fetches
from worker.store.feeds.reports import Reports
from worker.store.health.nudges import Nudges
from worker.store.health.signs import Signs
from worker.store.inbox import Inbox
from worker.store.limits.limiter import Scope
from worker.store.orders.lanes import Lane
from worker.store.orders.ledger import Ledger
from worker.store.orders.stuck import Stuck
from worker.store.redis import embedded
from worker.store.redis.connection import Patience, connect
from worker.systems.providers import provider_kinds
from worker.systems.references import decode
from worker.systems.targets import target_kinds
from worker.systems.webhooks import webhook_kinds

if TYPE_CHECKING:
    from pathlib import Path

    from redis import Redis

    from schemas.order import Order
    from worker.http.gates import Gate
    from worker.settings.accounts import Account, ProviderSettings, TargetSettings
    from worker.settings.load import Settings
    from worker.store.limits.limit import Limit
    from worker.store.orders.ledger import OnChange
    from worker.systems.provider import Provider
    from worker.systems.target import Receipt, Target


def read_settings(path: Path | None = None) -> Settings:
    """The settings of `path`, of $INTAKE_CONFIG or of `intake.toml` here; raises ConfigError."""
    return load(path, os.environ, provider_kinds(), target_kinds(), webhook_kinds())


def redis_url(settings: Settings) -> str:
    """Where Redis is: the one in the settings, or the embedded server that `intake up` runs."""
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
    """The adapters of the configured accounts, held back by nothing: for a look before there is a Redis."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def gate_of(self, account: Account) -> Gate:  # noqa: ARG002  # a limit is kept in Redis
        """What the calls of the account have to pass."""
        return Open()

    def _adapter(self, account: ProviderSettings | TargetSettings, kind: type[Any]) -> Any:
        client = Client(
            account.url,
            gate=self.gate_of(account),
            headers={},
            deadline=self.settings.clocks.request,
            max_bytes=account.max_bytes,
            throttle_statuses=kind.throttle_statuses,
            unheard=self.settings.clocks.lease / 2,
        )
        return kind(account.name, account.options, client)

    @cached_property
    def providers(self) -> dict[str, Provider]:
        """The adapters of the configured providers by name."""
        kinds = provider_kinds()
        return {name: self._adapter(account, kinds[account.kind]) for name, account in self.settings.providers.items()}

    @cached_property
    def targets(self) -> dict[str, Target]:
        """The adapters of the configured targets by name."""
        kinds = target_kinds()
        return {name: self._adapter(account, kinds[account.kind]) for name, account in self.settings.targets.items()}


class Runtime(Adapters):
    """Everything a task works with, made from the settings; one for each process."""

    def __init__(self, settings: Settings, *, patience: Patience = "long") -> None:
        super().__init__(settings)
        clocks, self._patience = settings.clocks, patience
        self.redis: Redis = connect(redis_url(settings), patience=patience)
        self.cursors = Cursors(self.redis, lease=clocks.lease, heartbeat=clocks.heartbeat)
        self.backfills = Backfills(self.redis, lease=clocks.lease, heartbeat=clocks.heartbeat)
        self.ledger = Ledger(self.redis, lease=clocks.lease)
        self.nudges = Nudges(self.redis, clocks.nudge)
        self.fetches = Fetches(self.redis)
        self.signs = Signs(self.redis)
        #: What targets hold, by name, with the ledger that it was looked at for (see `tasks/target_index.py`).
        self.target_indexes: dict[str, tuple[str, dict[str, Receipt]]] = {}
        self.reports = Reports(self.redis, lease=clocks.lease, heartbeat=clocks.heartbeat)

    @cached_property
    def inbox(self) -> Inbox:
        """The inbox, on a connection of its own: what strangers wrote is bytes, and somebody may wait for it."""
        clocks = self.settings.clocks
        redis = connect(redis_url(self.settings), text="raw", patience=self._patience)
        return Inbox(redis, lease=clocks.lease, heartbeat=clocks.heartbeat)

    def close(self) -> None:
        """Close the connections that were opened."""
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
        """The limit `name`; where accounts that share it name different limits, the tightest one holds for all."""
        accounts = [*self.settings.providers.values(), *self.settings.targets.values()]
        shared: list[tuple[Limit, ...]] = [a.limits for a in accounts if a.limit_scope == name and a.limits]
        tightest = min(shared, key=lambda limits: limits[0].count / limits[0].period, default=())
        return Scope(self.redis, name, tightest)

    def gate_of(self, account: Account) -> Gate:
        """The limit, shared with every other process, and before it the maintenance of the account."""
        return self.maintenance_gate(account, self.scopes[account.limit_scope])

    def maintenance_gate(self, account: Account, gate: Gate) -> Gate:
        """The gate, closed in the maintenance of the account."""
        return MaintenanceGate(gate, lambda: self._rest(account)) if account.maintenance.windows else gate

    def provider_maintenance_left(self, name: str) -> float:
        """Seconds for which the provider is in maintenance; 0: it is not."""
        return self._rest(self.settings.providers[name])

    def target_maintenance_left(self, name: str) -> float:
        """Seconds for which the target is in maintenance; 0: it is not."""
        return self._rest(self.settings.targets[name])

    def others_wait(self, task: str, name: str) -> bool:
        """Whether other work waits for a worker than this task of this account."""
        return self.nudges.others_wait(task, name, [*self.settings.providers, *self.settings.targets])

    def _rest(self, account: Account) -> float:
        if not account.maintenance.windows:
            return 0.0
        return account.maintenance.left(datetime.fromtimestamp(self.cursors.now() / 1000, UTC))

    @cached_property
    def scopes(self) -> dict[str, Scope]:
        """The limits by scope name."""
        accounts = [*self.settings.providers.values(), *self.settings.targets.values()]
        return {name: self._scope(name) for name in {account.limit_scope for account in accounts}}

    @cached_property
    def lanes(self) -> dict[str, Lane]:
        """The lanes by target name."""
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
                quiet=self._quiet(self.targets[name]),
            )
            for name, account in self.settings.targets.items()
        }

    def _quiet(self, target: Target) -> float:
        """Seconds in which a new ledger sends nothing to a target that takes doubles.

        A drain of the ledger before begins its last write within a lease, and ends it within a request; by then asking
        tells of it, at once or when it has arrived.
        """
        if target.dedupes:
            return 0.0
        clocks = self.settings.clocks
        return clocks.lease + clocks.request + (0.0 if target.settles else clocks.arrived)

    @cached_property
    def stuck(self) -> dict[str, Stuck]:
        """The dead orders and those in doubt, by target name."""
        return {name: Stuck(self.redis, name) for name in self.settings.targets}

    def on_change(self, provider: str, target: str) -> OnChange:
        """What becomes of the provider's orders that change after their delivery; only counted if the target cannot."""
        wish = next(r.on_change for r in self.settings.routes if r.source == provider and target in r.targets)
        return "ignore" if wish == "update" and not self.targets[target].updates else wish

    def is_echo(self, order: Order) -> bool:
        """Whether we created this order in the account it was read from: carrying it on would be an echo."""
        provider = self.providers.get(order.provider)
        text = getattr(order, provider.reference_field) if provider and provider.reference_field else None
        return text is not None and any(
            route.may_have_made(decode(text, self.targets[name].alphabet))
            for name in self.settings.mirrors(order.provider)
            for route in self.settings.routes
            if name in route.targets
        )


@cache
def runtime() -> Runtime:
    """The runtime of this process; first asked for inside a task, so never shared over a fork."""
    return Runtime(read_settings())

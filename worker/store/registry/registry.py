"""The registry in Redis: each account under the name it had first, and the reference templates of each route."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from worker.store.redis import catalog, clock, keys
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis import Redis

    from worker.store.redis.catalog import Argument

#: What an account is to Intake. The orders of a provider and the lane of a target have keys of their own.
Role = Literal["provider", "target"]
#: A role, and the name that the account has in the keys of Redis: the first one it had.
AccountKey: TypeAlias = tuple[Role, str]
#: A provider and a target, by the same names.
Pair: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """An account that the ledger has orders of, or had."""

    kind: str
    #: Its address without the scheme; "" for a producer.
    place: str
    #: The parts of its settings that tell it from the other accounts there; those that are secret are seals.
    parts: Mapping[str, str] = field(default_factory=dict)
    #: Every name that it had in the settings, the first of which is in the keys.
    names: tuple[str, ...] = ()
    #: A person gave it up (`intake forget`): its name stays its own, and its orders stay known.
    given_up: bool = False

    def with_names(self, *names: str) -> Entry:
        """Return the entry with these names, each once, the first one first."""
        return replace(self, names=tuple(dict.fromkeys(names)))

    def is_same(self, other: Entry) -> bool:
        """Return whether both can be one account. A part or an address that only one of them names tells nothing."""
        if self.kind != other.kind or (self.place != other.place and self.place and other.place):
            return False
        return all(other.parts.get(name, part) == part for name, part in self.parts.items())


@dataclass(frozen=True, slots=True)
class Template:
    """A template of references, and until when (Unix milliseconds) orders got it; None: they still do."""

    text: str
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """The registry as it was read."""

    #: Changes with each write; "" if there is no registry.
    version: str
    #: The key of the seals.
    salt: str
    accounts: Mapping[AccountKey, Entry] = field(default_factory=dict)
    #: The templates of each pair, the current one first.
    templates: Mapping[Pair, tuple[Template, ...]] = field(default_factory=dict)
    #: When it was read, by the clock of Redis (Unix milliseconds).
    at: int = 0


class Registry:
    """The hash `intake:registry`; its fields are "version", "salt", "ROLE NAME" and "route PROVIDER TARGET"."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._scripts = Scripts(redis)

    def version(self) -> str:
        """Return the version of the registry; "" if there is none."""
        return str(self._redis.hget(keys.REGISTRY, "version") or "")

    def read(self) -> Known:
        """Return the whole registry."""
        with self._redis.pipeline(transaction=False) as pipe:
            clock.enqueue_reading(pipe)
            pipe.hgetall(keys.REGISTRY)
            *reading, fields = pipe.execute()
        accounts: dict[AccountKey, Entry] = {}
        templates: dict[Pair, tuple[Template, ...]] = {}
        for name, text in fields.items():
            match name.split(" "):
                case ["provider" | "target" as role, account]:
                    accounts[role, account] = _entry(json.loads(text))
                case ["route", source, target]:
                    templates[source, target] = tuple(Template(**each) for each in json.loads(text))
        salt = fields.get("salt") or secrets.token_hex(16)
        return Known(fields.get("version", ""), salt, accounts, templates, int(clock.read_time(*reading) * 1000))

    def write(
        self, known: Known, accounts: Mapping[AccountKey, Entry], templates: Mapping[Pair, tuple[Template, ...]]
    ) -> bool:
        """Write these entries beside those of `known`. Return False if another process wrote the registry meanwhile."""
        items: list[Argument] = ["salt", known.salt]
        for key, entry in accounts.items():
            items += [" ".join(key), json.dumps(asdict(entry))]
        for pair, each in templates.items():
            items += [" ".join(("route", *pair)), json.dumps([asdict(template) for template in each])]
        version = secrets.token_hex(8)
        return bool(self._scripts(catalog.REGISTER, items, registry=keys.REGISTRY, seen=known.version, version=version))


def _entry(fields: dict[str, Any]) -> Entry:
    return Entry(**{**fields, "names": tuple(fields["names"])})

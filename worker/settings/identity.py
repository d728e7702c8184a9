"""The identity of an account: its kind, its address, and the options that tell it from the others there."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from worker.store.registry.registry import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.settings.accounts import Account
    from worker.settings.load import Settings
    from worker.store.registry.registry import Role

#: The hexadecimal digits of a seal: 16 bits. Another secret has the same seal once in 65,536 times, which is little for
#: a mistake that the other parts of an identity show as well; and of no secret more than 16 bits stand in Redis.
_SEAL: Final = 4
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Declared:
    """An account as the settings declare it now, and the names that it had before, the first one first."""

    role: Role
    name: str
    #: The key of its table in the settings.
    key: str
    entry: Entry
    formerly: tuple[str, ...]


def declared(settings: Settings, salt: str) -> Iterator[Declared]:
    """Yield every account whose orders the ledger may have, with secret parts sealed under `salt`."""
    for name, provider in settings.providers.items():
        yield Declared("provider", name, f"providers.{name}", _entry(provider, salt), provider.formerly)
    sources = {route.source for route in settings.routes}
    for name, producer in settings.producers.items():
        if name in sources:
            # Its jobs carry nothing but its name.
            yield Declared("provider", name, f"producers.{name}", Entry("producer", "", {}, (name,)), producer.formerly)
    for name, target in settings.targets.items():
        yield Declared("target", name, f"targets.{name}", _entry(target, salt), target.formerly)


def _entry(account: Account, salt: str) -> Entry:
    parts: dict[str, str] = {}
    for name in set(account.identified_by) - account.unset:
        part = getattr(account.options, name, None)
        if part is not None:
            parts[name] = _seal(salt, name, part) if isinstance(part, SecretStr) else str(part)
    return Entry(account.kind, "" if "url" in account.unset else _place(account.url), parts, (account.name,))


def _place(url: str) -> str:
    """Return the address without what can change at the same account: the scheme, its default port, letter case."""
    parts = urlsplit(url)
    port = "" if parts.port in {None, _PORTS.get(parts.scheme)} else f":{parts.port}"
    return f"{parts.hostname or ''}{port}{parts.path.rstrip('/')}"


def _seal(salt: str, name: str, secret: SecretStr) -> str:
    """Return a short hash of a secret. The salt is no secret: it keeps the seals of two ledgers from being compared.

    The guarantee does not rest on a key, which every process of every host would need and Redis must not have: a seal
    is so short that of any secret, even one that could be guessed, all but 16 bits remain unknown.
    """
    text = f"{name}\0{secret.get_secret_value()}".encode()
    return "#" + hmac.new(bytes.fromhex(salt), text, hashlib.sha256).hexdigest()[:_SEAL]


def difference(known: Entry, now: Entry) -> str:
    """Return what tells the account from the known one, without secrets."""
    if known.kind != now.kind:
        return f"its kind was {known.kind}"
    if now.place and known.place != now.place:
        return f"its url was {known.place}"
    changed = [name for name, part in now.parts.items() if known.parts.get(name, part) != part]
    shown = [f"{name} was {_shown(known.parts[name])}" for name in changed]
    return f"its {', '.join(shown)}"


def _shown(part: str) -> str:
    return "another one" if part.startswith("#") else part


def merge(known: Entry, now: Entry, *, name: str) -> Entry:
    """Return the entry of an account that was found again: with the parts that are named now, and this name of it."""
    place, parts = now.place or known.place, {**known.parts, **now.parts}
    return replace(now, place=place, parts=parts).with_names(*known.names, name)

"""The checks of secrets: their length, their age, their files, and whether they are those of an example."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from worker.cli.setup.account_checks import Finding
from worker.durations import count_of
from worker.settings.secret_files import FileSecret
from worker.store.redis.address import RedisAddress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from worker.settings.load import Settings

#: The fewest characters of a password that we or the operator chose; what others issue has the length it has.
_SHORTEST: Final = 16
_SHORTEST_ISSUED: Final = 8
#: Days after which a secret should be replaced.
_OLD_DAYS: Final = 365
_OTHERS: Final = 0o077
#: Passwords of examples, of other people's defaults, and of the first try.
_SAMPLES: Final = frozenset(
    """
    admin administrator changeme change-me changeit default demo dev example guest intake intake123 letmein me:pw pass
    passw0rd password password1 postgres qwerty rabbitmq redis root sample secret secret123 test test123 user welcome
    12345678 123456789 1234567890 abc123 key api-key api_key token your-api-key your_api_key xxx todo
    """.split()  # noqa: SIM905  # forty quoted words read worse
)
_LONG: Final = "Make it long and random: openssl rand -hex 24"
_ISSUED: Final = "Check that it is the one that the system issued."
_REPLACE: Final = "Replace it: see the page change-a-key.md (`intake docs`)."


def examine_secrets(settings: Settings) -> Iterator[Finding]:
    """Check every secret that this process can see; show none."""
    secrets, good = list(_secrets(settings)), True
    for what, secret, shortest in secrets:
        for finding in _examine(what, secret, shortest):
            good = False
            yield finding
    if good:
        yield Finding(
            "secrets", "ok", f"{count_of(len(secrets), 'secret')}: long enough, young enough, in closed files"
        )


def _secrets(settings: Settings) -> Iterator[tuple[str, SecretStr, int]]:
    """Yield each secret with its key in the settings, and the fewest characters that it should have."""
    accounts = (("providers", settings.providers), ("targets", settings.targets))
    tables: list[tuple[str, Iterable[tuple[str, Any]], int]] = [
        *((f"{at}.{name}", each.options, _SHORTEST_ISSUED) for at, named in accounts for name, each in named.items()),
        *((f"producers.{name}", producer, _SHORTEST) for name, producer in settings.producers.items()),
        *((f"alarms.to.{name}", receiver, _SHORTEST) for name, receiver in settings.alarms.to.items()),
        *([("mail", settings.mail, _SHORTEST_ISSUED)] if settings.mail else []),
    ]
    for at, table, shortest in tables:
        for key, value in table:
            if isinstance(value, SecretStr):
                yield f"{at}.{key}", value, shortest
    for what, password in _passwords(settings):
        yield what, SecretStr(password), _SHORTEST


def _passwords(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the passwords in addresses and in the environment of Flower."""
    if settings.redis_url and (password := RedisAddress.parse(settings.redis_url).password):
        yield "redis.url", password
    if settings.broker_url and (password := urlsplit(settings.broker_url).password):
        yield "celery.broker", unquote(password)
    for number, user in enumerate(filter(None, os.environ.get("FLOWER_BASIC_AUTH", "").split(",")), 1):
        if not user.startswith("file:"):
            yield f"FLOWER_BASIC_AUTH (user {number})", user.partition(":")[2]


def _examine(what: str, secret: SecretStr, shortest: int) -> Iterator[Finding]:
    text = secret.get_secret_value()
    if not text or text.startswith("env:"):
        # A variable that this process does not need, and that is not set.
        return
    longer = _LONG if shortest == _SHORTEST else _ISSUED
    if text.casefold().strip() in _SAMPLES or text.casefold().startswith("change-me"):
        yield Finding(what, "error", "it is the password of an example, which everybody tries first", longer)
    elif len(text) < shortest:
        yield Finding(what, "warning", f"it has fewer than {shortest} characters", longer)
    if isinstance(secret, FileSecret):
        yield from _examine_file(what, secret.path)


def _examine_file(what: str, path: Path) -> Iterator[Finding]:
    try:
        stat = path.stat()
    except OSError:
        return
    if (mode := stat.st_mode & 0o777) & _OTHERS:
        allowed = "change" if mode & 0o022 else "read"
        state = "error" if mode & 0o027 else "warning"
        detail = f"other users of this machine may {allowed} {path} (mode {mode:04o})"
        yield Finding(what, state, detail, f"Run: chmod 0400 {path}")  # type: ignore[arg-type]
    days = int(time.time() - stat.st_mtime) // 86_400
    if days >= _OLD_DAYS:
        yield Finding(what, "warning", f"{path} has not changed for {days} days", _REPLACE)

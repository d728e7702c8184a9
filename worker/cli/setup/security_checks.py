"""The checks of `intake check --security`: connections, rights in Redis, secrets, users, and ports of a deployment."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from worker.cli.setup.account_checks import Finding
from worker.cli.setup.listening import listening
from worker.cli.setup.secret_checks import examine_secrets
from worker.durations import count_of
from worker.runtime import redis_url
from worker.settings.addresses import is_loopback
from worker.store.console.tokens import Tokens
from worker.store.console.users import Users
from worker.store.redis.address import RedisAddress
from worker.store.redis.connection import ERRORS, connect
from worker.store.redis.rights import lets_everybody_in, unneeded_rights

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

    from worker.settings.load import Settings

#: Seconds after which a token of the API should be replaced: a year.
_OLD_TOKEN: Final = 365 * 86_400
_WRITABLE, _BY_OTHERS = 0o022, 0o007
_USERS_FILE: Final = "Give it a user of its own, as in deploy/users.acl.example."


def examine_security(settings: Settings) -> Iterator[Finding]:
    """Check how the running deployment is protected; ask no account."""
    yield from _examine_connections(settings)
    if settings.redis_url is not None:
        yield from _examine_redis(settings.redis_url)
    yield from examine_secrets(settings)
    yield from _examine_files(settings)
    yield from _examine_ports()
    try:
        with connect(redis_url(settings), patience="short") as redis:
            yield from _examine_people(settings, redis)
    except ERRORS as error:
        yield Finding("console users", "skipped", f"Redis does not respond ({type(error).__name__})", "Start Redis.")


def _examine_connections(settings: Settings) -> Iterator[Finding]:
    """Check that nothing leaves this machine unencrypted."""
    addresses: list[tuple[str, str, str]] = []
    for section, accounts in (("provider", settings.providers), ("target", settings.targets)):
        addresses += [(f"{section} {name}", each.url, "https://") for name, each in accounts.items() if each.url]
    for name, receiver in settings.alarms.to.items():
        if receiver.url is not None:
            addresses.append((f"alarms.to.{name}", receiver.url.get_secret_value(), "https://"))
    if settings.web.url:
        addresses.append(("web.url", settings.web.url, "https://"))
    if settings.broker_url:
        addresses.append(("celery.broker", settings.broker_url, "amqps://"))
    plain = 0
    for what, url, scheme in addresses:
        parts = urlsplit(url)
        if parts.scheme in {"http", "amqp"} and not is_loopback(parts.hostname or ""):
            plain += 1
            detail = f"the connection to {parts.hostname} is not encrypted"
            yield Finding(what, "error", detail, f"Write its address with {scheme}.")
    if settings.mail and settings.mail.tls == "none" and not is_loopback(settings.mail.host):
        plain += 1
        yield Finding("mail", "error", f"mail to {settings.mail.host} is not encrypted", 'Write tls = "starttls".')
    if not plain:
        yield Finding("connections", "ok", "accounts, broker, mail and webhooks are encrypted, or on this machine")


def _examine_redis(url: str) -> Iterator[Finding]:
    """Check the connection to Redis, and what its user may do."""
    address = RedisAddress.parse(url)
    remote = [host for host, _ in address.hosts if not is_loopback(host)]
    if remote and address.tls is None:
        detail = f"the connection to {remote[0]} is not encrypted: others on the network can read orders and passwords"
        yield Finding(
            "redis tls", "warning", detail, "Write rediss:// (sentinels://), or keep it in a private network."
        )
    elif address.tls and not (address.tls["ssl_cert_reqs"] == "required" and address.tls["ssl_check_hostname"]):
        yield Finding("redis tls", "error", "its certificate is not verified", "Remove ssl_cert_reqs from the address.")
    else:
        yield Finding("redis tls", "ok", "encrypted and verified" if address.tls else "Redis is on this machine")
    if not address.password and (address.path is None):
        yield Finding("redis user", "error", "the address has no password", _USERS_FILE)
    try:
        with connect(url, patience="short") as redis:
            yield from _examine_rights(redis, address.username or "default")
        if lets_everybody_in(address):
            remedy = "Set requirepass, or switch it off: ACL SETUSER default off."
            yield Finding(
                "redis default user", "error", "anyone who reaches Redis can connect without a password", remedy
            )
        else:
            yield Finding("redis default user", "ok", "no one can connect without a password")
    except ERRORS as error:
        yield Finding("redis user", "skipped", f"Redis does not respond ({type(error).__name__})", "Start Redis.")


def _examine_rights(redis: Redis, user: str) -> Iterator[Finding]:
    may = unneeded_rights(redis)
    if may:
        detail = f"the user {user} may do more than Intake needs: {'; '.join(may)}"
        yield Finding("redis rights", "warning", detail, _USERS_FILE)
    else:
        yield Finding("redis rights", "ok", f"the user {user} may do what Intake needs, and no more")


def _examine_files(settings: Settings) -> Iterator[Finding]:
    """Check that other users of this machine can neither change the settings nor read the data."""
    problems = 0
    for what, path, forbidden, may in (
        ("settings", Path(settings.file), _WRITABLE, "change"),
        ("settings folder", Path(settings.file).absolute().parent, _WRITABLE, "replace files in"),
        ("data folder", settings.data_dir / "redis.url", _BY_OTHERS, "read the password in"),
    ):
        if (mode := _mode(path)) is not None and mode & forbidden and not _is_sticky(path):
            problems += 1
            remedy = f"Run: chmod {'go-w' if forbidden == _WRITABLE else 'go='} {path}"
            yield Finding(what, "error", f"other users of this machine may {may} {path} (mode {mode:04o})", remedy)
    if not problems:
        yield Finding("files", "ok", "other users of this machine can neither change the settings nor read the data")


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode & 0o777
    except OSError:
        return None


def _is_sticky(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o1000)


def _examine_ports() -> Iterator[Finding]:
    """Check which of our processes listen to other machines."""
    found = [each for each in listening(os.getuid()) if not is_loopback(each.host)]
    for each in found:
        remedy = "Bind it to 127.0.0.1 (--host) behind a proxy that speaks TLS, or close the port by a firewall."
        detail = f"`{each.command}` listens to other machines at {each.shown}"
        yield Finding("ports", "warning", detail, remedy)
    if not found:
        yield Finding("ports", "ok", "no process of Intake here listens to other machines")


def _examine_people(settings: Settings, redis: Redis) -> Iterator[Finding]:
    """Check the users of the console and the tokens of the API."""
    users, tokens = Users(redis).all(), Tokens(redis).all()
    operators = [user.name for user in users if user.role == "operator"]
    for user in users:
        if not user.password and settings.web.identity_header is None:
            remedy = f"Run: intake web user password {user.name}, or remove the user."
            yield Finding("console users", "warning", f"{user.name} has no password, and no proxy names users", remedy)
    if settings.web.default_role == "operator":
        detail = "every user that the proxy names may do everything, without being added"
        yield Finding("console users", "warning", detail, 'Write default_role = "viewer", and add operators by name.')
    yield Finding("console users", "ok", f"{count_of(len(users), 'user')}, of which {len(operators)} may do everything")
    for token in tokens:
        days = int(time.time() - token.since / 1000) // 86_400
        if days * 86_400 >= _OLD_TOKEN:
            remedy = f"Make a new one and remove this: intake web token remove {token.name}"
            yield Finding("tokens", "warning", f"{token.name} ({token.role}) is {days} days old", remedy)
    yield Finding("tokens", "ok", f"{count_of(len(tokens), 'token')} of the API")

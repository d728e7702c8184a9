"""Validators of URLs in the settings."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qs, urlsplit

from worker.settings.document import SettingError
from worker.store.redis.sentinel import SentinelAddress, is_sentinel_address

if TYPE_CHECKING:
    from pydantic import SecretStr


def web_url(text: str) -> str:
    """Return the base URL of an API without a slash at the end; only `https`, or `http` to loopback, is valid."""
    url = _split(text, "https://shop.example")
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise SettingError("is not a web address", "Write it whole: https://shop.example.")
    if url.username is not None or url.password is not None or url.query or url.fragment:
        raise SettingError(
            "has more than an address in it", "Leave out user, password, ? and #; credentials have own keys."
        )
    if url.scheme == "http" and not _is_loopback(url.hostname):
        raise SettingError("is http, and credentials and orders would travel unencrypted", "Write https://.")
    return text.rstrip("/")


def hook_url(value: SecretStr) -> SecretStr:
    """Return the URL of a receiver of alarms, which may be a secret; only `https`, or `http` to loopback, is valid."""
    url = _split(value.get_secret_value(), "https://hooks.example/T0/B0/secret")
    if url.scheme not in {"http", "https"} or not url.hostname or url.username is not None or url.fragment:
        raise SettingError("is not a web address", "Write it whole, without user, password and #.")
    if url.scheme == "http" and not _is_loopback(url.hostname):
        raise SettingError("is http, and the secret in it would travel unencrypted", "Write https://.")
    return value


def redis_url(text: str) -> str:
    """Return the URL of a Redis server as redis-py reads it, or of a service behind Sentinels."""
    if is_sentinel_address(text):
        try:
            SentinelAddress.parse(text)
        except ValueError:
            remedy = "Write sentinel://host:26379,host2:26379/service, sentinels:// for TLS; if need be with ?db=0."
            raise SettingError("is not the address of a service behind Sentinels", remedy) from None
        return text
    url = _split(text, "redis://localhost:6379/0")
    if url.scheme == "unix" and url.path:
        return text
    database = url.path.strip("/")
    if url.scheme not in {"redis", "rediss"} or not url.hostname or (database and not database.isdigit()):
        raise SettingError("is not the address of a Redis", "Write redis://localhost:6379/0, or rediss:// for TLS.")
    return text


def broker_url(text: str) -> str:
    """Return the URL of a RabbitMQ as Celery reads it: `amqp`, or `amqps` for TLS."""
    url = _split(text, "amqp://host:5672/vhost")
    if url.scheme not in {"amqp", "amqps"} or not url.hostname:
        remedy = "Write amqp://host:5672/vhost, or amqps:// for TLS; leave it out, and the broker is the Redis above."
        raise SettingError("is not the address of a RabbitMQ", remedy)
    return text


def has_password(url: str) -> bool:
    """Return whether the URL contains a password."""
    parts = urlsplit(url)
    return bool(parts.password) or not {"password", "sentinel_password"}.isdisjoint(parse_qs(parts.query))


def _split(text: str, example: str) -> SplitResult:
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        raise SettingError("is not an address", f"Write it like {example}.") from None
    return url


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

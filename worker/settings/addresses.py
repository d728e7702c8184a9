"""Validators of URLs in the settings."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from worker.settings.amqp import AmqpAddress, is_amqp_address
from worker.settings.tables import SettingError
from worker.store.redis.address import AddressError, RedisAddress

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import SecretStr


def web_url(text: str) -> str:
    """Return the base URL of an API without a slash at the end; only `https`, or `http` to loopback, is valid."""
    url = _split(text, "https://shop.example")
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise SettingError("is not a web address", "Write it in full: https://shop.example.")
    if url.username is not None or url.password is not None or url.query or url.fragment:
        raise SettingError(
            "has more than an address in it", "Leave out user, password, ? and #; credentials have their own keys."
        )
    if url.scheme == "http" and not is_loopback(url.hostname):
        raise SettingError("is http, and credentials and orders would travel unencrypted", "Write https://.")
    return text.rstrip("/")


def hook_url(value: SecretStr) -> SecretStr:
    """Return the URL of a receiver of alarms, which may be a secret; only `https`, or `http` to loopback, is valid."""
    url = _split(value.get_secret_value(), "https://hooks.example/T0/B0/secret")
    if url.scheme not in {"http", "https"} or not url.hostname or url.username is not None or url.fragment:
        raise SettingError("is not a web address", "Write it in full, without user, password and #.")
    if url.scheme == "http" and not is_loopback(url.hostname):
        raise SettingError("is http, and the secret in it would travel unencrypted", "Write https://.")
    return value


def redis_url(text: str) -> str:
    """Return the address of Redis, which every process can use."""
    _check(RedisAddress.parse, text)
    return text


def broker_url(text: str) -> str:
    """Return the address of a RabbitMQ, which every process can use."""
    _check(AmqpAddress.parse, text)
    return text


def has_password(url: str) -> bool:
    """Return whether a valid address of Redis or RabbitMQ contains a secret."""
    parse = AmqpAddress.parse if is_amqp_address(url) else RedisAddress.parse
    return parse(url).has_password


def _check(parse: Callable[[str], object], text: str) -> None:
    try:
        parse(text)
    except AddressError as error:
        raise SettingError(error.reason, error.remedy) from None


def _split(text: str, example: str) -> SplitResult:
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        raise SettingError("is not an address", f"Write it like {example}.") from None
    return url


def is_loopback(host: str) -> bool:
    """Return whether the host is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

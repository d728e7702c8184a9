"""The transports of Celery over Redis, which go on while Redis is full."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis

from worker.store.redis.broker_client import BrokerClient

_MAY_WRITE: Final = "#!lua flags=allow-oom\n"


class _FullRedis:
    """The part of a channel that creates clients and scripts."""

    def _get_client(self) -> type[BrokerClient]:
        return BrokerClient

    @cached_property
    def _refresh_binding(self) -> Any:
        script = _MAY_WRITE + kombu_redis.REFRESH_BINDING  # type: ignore[attr-defined]  # unknown to its stubs
        return self._create_client().register_script(script)  # type: ignore[attr-defined]  # of the channel


class Channel(_FullRedis, kombu_redis.Channel):
    """A channel over one Redis."""


class Transport(kombu_redis.Transport):
    """The transport of one Redis."""

    Channel = Channel


class SentinelChannel(_FullRedis, kombu_redis.SentinelChannel):
    """A channel over the master that Sentinels name."""


class SentinelTransport(kombu_redis.SentinelTransport):
    """The transport of Redis with Sentinels."""

    Channel = SentinelChannel


def install() -> None:
    """Use these transports for every address of Redis in this process."""
    here = Transport.__module__
    TRANSPORT_ALIASES.update(
        redis=f"{here}:Transport", rediss=f"{here}:Transport", sentinel=f"{here}:SentinelTransport"
    )

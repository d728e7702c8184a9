"""The transports of Celery over Redis, which go on while Redis is full, and after it was away."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from typing import Any

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis

from worker.store.redis.broker_client import BrokerClient
from worker.store.redis.connection import ERRORS
from worker.store.redis.lua_source import MAY_WRITE


class _QoS(kombu_redis.QoS):
    """The messages that a channel delivered and that are not acknowledged yet."""

    def restore_unacked_once(self, stderr: Any = None) -> None:
        """Give these messages back when the channel closes.

        Without a connection that fails, and would end the worker. Redis still has them, and delivers them again later.
        """
        if getattr(self.channel.connection, "client", None) is not None:
            with suppress(*ERRORS):
                super().restore_unacked_once(stderr)


class _FullRedis:
    """The part of a channel that creates clients and scripts."""

    QoS: Any = _QoS

    def _get_client(self) -> type[BrokerClient]:
        return BrokerClient

    @cached_property
    def _refresh_binding(self) -> Any:
        script = MAY_WRITE + kombu_redis.REFRESH_BINDING  # type: ignore[attr-defined]  # unknown to its stubs
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

"""The transports of Celery over Redis, which go on while Redis is full, and after it was away."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis

from worker.store.redis.broker_client import BrokerClient
from worker.store.redis.connection import ERRORS
from worker.store.redis.lua_source import MAY_WRITE

if TYPE_CHECKING:
    from redis import Redis


class _QoS(kombu_redis.QoS):
    """The messages that a channel delivered and that are not acknowledged yet."""

    def restore_unacked_once(self, stderr: Any = None) -> None:
        """Give these messages back when the channel closes.

        Without a connection that fails, and would end the worker. Redis still has them, and delivers them again later.
        """
        if getattr(self.channel.connection, "client", None) is not None:
            with suppress(*ERRORS):
                super().restore_unacked_once(stderr)


class _Renewal:
    """The script REFRESH_BINDING of Kombu in commands; each can be repeated, and between them nothing is lost."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def __call__(self, keys: tuple[str, str], args: tuple[str, str, int], client: Redis) -> None:
        """Keep the binding, and its table for as long as Kombu asks."""
        seconds, micros = self._client.time()
        member, exchange, lifetime_ms = args
        client.sadd(keys[0], member)
        client.zadd(keys[1], {exchange: seconds * 1000 + micros // 1000 + lifetime_ms}, gt=True)


class _FullRedis:
    """The part of a channel that creates clients and scripts."""

    QoS: Any = _QoS
    #: Whether the user of this process in Redis may run scripts.
    scripts = True

    def _get_client(self) -> type[BrokerClient]:
        return BrokerClient

    @cached_property
    def _refresh_binding(self) -> Any:
        if not self.scripts:
            return _Renewal(self._create_client())  # type: ignore[attr-defined]  # of the channel
        script = MAY_WRITE + kombu_redis.REFRESH_BINDING  # type: ignore[attr-defined]  # unknown to its stubs
        return self._create_client().register_script(script)  # type: ignore[attr-defined]  # of the channel

    def sweep_bindings(self, limit: int = 100) -> int:
        """Remove bindings that nobody renewed, where scripts can be run; return how many."""
        return int(super().sweep_bindings(limit)) if self.scripts else 0  # type: ignore[misc]  # of the channel


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


def run_no_scripts() -> None:
    """Let this process renew the bindings of its queues by plain commands: the user of Flower may run no script."""
    _FullRedis.scripts = False


def install() -> None:
    """Use these transports for every address of Redis in this process."""
    here = Transport.__module__
    TRANSPORT_ALIASES.update(
        redis=f"{here}:Transport", rediss=f"{here}:Transport", sentinel=f"{here}:SentinelTransport"
    )

"""Celery's broker: how its settings follow from its address, and whether it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kombu import Connection, Queue

from worker.errors import AuthFailed, Unavailable
from worker.runtime import redis_url
from worker.store.health.nudges import QUEUES
from worker.store.redis.sentinel import SCHEME, SentinelAddress, is_sentinel_address

if TYPE_CHECKING:
    from worker.settings.load import Settings

#: Seconds to wait for a broker to be reached, and for its answer to `intake check`.
_CONNECT = 4.0
_REDIS: dict[str, Any] = {
    "broker_transport_options": {
        "socket_timeout": 10,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 10,
    },
    "task_queues": [Queue(name, routing_key=name) for name in QUEUES],
}
#: RabbitMQ 3.10 and newer. Quorum queues are on several nodes, where there are several, and the only such queues that 4
#: has. The ticks of beat all mean the same: the last one is enough. What Celery makes besides is durable and goes when
#: it is unused: queues that are neither durable nor exclusive are on their way out, and an exclusive one is refused to
#: a worker whose host was cut off, until RabbitMQ has given up its old connection.
_RABBITMQ: dict[str, Any] = {
    "broker_transport_options": {"connect_timeout": _CONNECT, "read_timeout": 10, "write_timeout": 10},
    "broker_connection_timeout": _CONNECT,
    "broker_heartbeat": 10,
    "task_queues": [
        Queue(
            name,
            routing_key=name,
            queue_arguments={"x-queue-type": "quorum"} | ({"x-max-length": 1} if name == "intake.upkeep" else {}),
        )
        for name in QUEUES
    ],
    "worker_detect_quorum_queues": True,
    "control_queue_exclusive": False,
    "control_queue_durable": True,
    "event_queue_exclusive": False,
    "event_queue_durable": True,
}


def broker(settings: Settings) -> dict[str, Any]:
    """Celery's settings for the broker that is named, or for the Redis of the ledger; raises ConfigError."""
    if settings.broker_url is None:
        return redis_broker(redis_url(settings))
    return {"broker_url": settings.broker_url, **_RABBITMQ}


def redis_broker(url: str) -> dict[str, Any]:
    """Celery's settings for a Redis as broker, at the address that the ledger's client takes."""
    if url.startswith("rediss:") and "ssl_cert_reqs=" not in url:
        # Unlike redis-py, kombu would take any certificate.
        url += f"{'&' if '?' in url else '?'}ssl_cert_reqs=required"
    if not is_sentinel_address(url):
        return {"broker_url": url, **_REDIS}
    there = SentinelAddress.parse(url)
    user = quote(there.username or "", safe="")
    own = f"{user}:{quote(there.password, safe='')}@" if there.password else ""
    options = {"master_name": there.service, "sentinel_kwargs": there.sentinel_options()}
    return {
        **_REDIS,
        "broker_url": ";".join(f"{SCHEME}://{own}{host}:{port}/{there.db}" for host, port in there.sentinels),
        "broker_use_ssl": there.tls,
        "broker_transport_options": {**_REDIS["broker_transport_options"], **options},
    }


def greet(url: str) -> str:
    """Connect to RabbitMQ once, and tell what it is.

    Raises:
        AuthFailed: It does not let this user in, or there is no such virtual host.
        Unavailable: It does not answer.
    """
    with Connection(url, connect_timeout=_CONNECT, heartbeat=0) as connection:
        # A user that is not let in is, in the words of AMQP, a fault of the channel.
        failures: tuple[type[BaseException], ...] = (*connection.connection_errors, *connection.channel_errors, OSError)
        try:
            known: dict[str, Any] = connection.connection.server_properties
        except failures as error:
            if type(error).__name__ in {"AccessRefused", "NotAllowed"}:
                raise AuthFailed("the broker does not let this user in, or has no such virtual host") from None
            raise Unavailable("the broker does not answer") from None
    return f"{known.get('product', 'AMQP')} {known.get('version', '')}".strip()

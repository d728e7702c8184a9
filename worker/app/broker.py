"""The broker of Celery: its settings, derived from its address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kombu import Queue

from worker.runtime import redis_url
from worker.settings.amqp import AmqpAddress
from worker.store.health.nudges import QUEUES
from worker.store.redis.address import RedisAddress

if TYPE_CHECKING:
    from worker.settings.load import Settings

#: Seconds to wait for a connection to the broker.
_CONNECT = 4.0
#: Seconds after which Redis delivers a message again that a worker took and did not acknowledge, because it was
#: killed. Only jobs of producers are acknowledged late (`tasks.ingest`). A nudge that waits so long for a process is
#: delivered twice, which is harmless.
REDELIVERED_AFTER: Final = 180
_REDIS: dict[str, Any] = {
    "broker_transport_options": {
        "socket_timeout": 10,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "visibility_timeout": REDELIVERED_AFTER,
    },
    "task_queues": [Queue(name, routing_key=name) for name in QUEUES],
}
#: All ticks of beat mean the same, so the queue of the sweep keeps only the last one. A job of a producer goes back
#: into its queue as often as it takes; by default, RabbitMQ 4 drops it after 20 times.
_QUEUE_ARGUMENTS: Final = {"intake.upkeep": {"x-max-length": 1}, "intake.ingest": {"x-delivery-limit": 2**31 - 1}}
#: For RabbitMQ 3.10 and newer. Quorum queues are replicated over the nodes of a cluster; RabbitMQ 4 has no other
#: replicated queues. The control and event queues of Celery are durable and expire when unused: queues that are
#: neither durable nor exclusive are deprecated, and an exclusive queue is refused to a worker whose host lost its
#: network, until RabbitMQ closes the old connection.
_RABBITMQ: dict[str, Any] = {
    "broker_transport_options": {"connect_timeout": _CONNECT, "read_timeout": 10, "write_timeout": 10},
    "broker_connection_timeout": _CONNECT,
    "broker_heartbeat": 10,
    "task_queues": [
        Queue(
            name,
            routing_key=name,
            queue_arguments={"x-queue-type": "quorum"} | _QUEUE_ARGUMENTS.get(name, {}),
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
    """Return the settings of Celery for the configured broker, or for the Redis of the ledger. Raise ConfigError."""
    if settings.broker_url is None:
        return redis_broker(redis_url(settings))
    return {**AmqpAddress.parse(settings.broker_url).celery(), **_RABBITMQ}


def redis_broker(url: str) -> dict[str, Any]:
    """Return the settings of Celery for Redis as the broker. `url` has the form that the client of the ledger takes."""
    own = RedisAddress.parse(url).celery()
    options = {**_REDIS["broker_transport_options"], **own.get("broker_transport_options", {})}
    return {**_REDIS, **own, "broker_transport_options": options}

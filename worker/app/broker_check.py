"""A trial of the broker: one message of Celery goes through, as those of the workers do, and leaves nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from celery import Celery
from kombu import Connection, Consumer, Queue

from worker.app.broker import broker
from worker.app.transport import install
from worker.errors import AuthFailed, Unavailable

if TYPE_CHECKING:
    from worker.settings.load import Settings

#: Seconds that the message may take.
_WAIT: Final = 5.0
#: Seconds after which the broker deletes the queue of a check that was killed.
_KEPT: Final = 60.0


def pass_message(settings: Settings) -> str:
    """Send a message of Celery through the broker, in a queue of its own, and take it back; return the broker's name.

    Raises:
        AuthFailed: RabbitMQ refused the user, or has no such virtual host.
        Unavailable: RabbitMQ does not respond, or the message did not come back.
        redis.exceptions.RedisError: Redis refused something, or does not respond; perhaps as the cause of an
            OperationalError of Kombu.
    """
    install()
    configured = broker(settings)
    app = Celery("intake.check", set_as_current=False)
    app.conf.update(configured)
    with app.connection_for_write(configured["broker_url"]) as connection:
        if settings.broker_url is None:
            _pass(app, connection)
            return "Redis"
        # In AMQP, a refused user is an error of the channel.
        failures: tuple[type[BaseException], ...] = (*connection.connection_errors, *connection.channel_errors, OSError)
        try:
            _pass(app, connection)
            properties: dict[str, Any] = connection.connection.server_properties
        except failures as error:
            if type(error).__name__ in {"AccessRefused", "NotAllowed"}:
                raise AuthFailed("the broker does not admit this user, or has no such virtual host") from None
            raise Unavailable(f"the broker does not respond ({type(error).__name__})") from None
    return f"{properties.get('product', 'AMQP')} {properties.get('version', '')}".strip()


def _pass(app: Celery, connection: Connection) -> None:
    connection.connect()
    queue = Queue(f"intake.check.{uuid4().hex}", exclusive=True, durable=False, expires=_KEPT)
    taken: list[Any] = []
    bound = queue(connection.default_channel)
    try:
        send: Any = app.send_task  # its stubs know only the names of queues
        sent = send("intake.check", queue=queue, connection=connection, retry=False, ignore_result=True)
        with Consumer(connection.default_channel, [queue], on_message=taken.append, no_ack=True):
            while sent.id not in {message.headers["id"] for message in taken}:
                connection.drain_events(timeout=_WAIT)
    except TimeoutError:
        raise Unavailable(f"a message of Celery did not come back within {_WAIT:.0f} s") from None
    finally:
        # Without a connection it goes by itself.
        with suppress(Exception):
            bound.purge()
            bound.delete()

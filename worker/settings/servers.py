"""The servers of the settings: Redis, and the broker if it is a different one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from worker.settings.addresses import broker_url, has_password, redis_url
from worker.settings.document import Table

if TYPE_CHECKING:
    from worker.settings.document import Document


class Redis(Table):
    """The `[redis]` table: the server of the ledger. Without a URL, the embedded server keeps it in `data_dir`."""

    url: Annotated[str, AfterValidator(redis_url)] | None = None
    data_dir: str = Field(default=".intake", min_length=1)


class Celery(Table):
    """What carries the nudges; without a broker of its own, the Redis of the ledger."""

    broker: Annotated[str, AfterValidator(broker_url)] | None = None


def read_servers(document: Document) -> tuple[Redis, Celery]:
    """Return the tables [redis] and [celery]; add an error for a password that is written in the file itself."""
    redis = document.read(Redis, document.values.get("redis", {}), ("redis",)) or Redis()
    celery = document.read(Celery, document.values.get("celery", {}), ("celery",)) or Celery()
    for key, url in ((("redis", "url"), redis.url), (("celery", "broker"), celery.broker)):
        if url and has_password(url) and key not in document.from_environment:
            document.add_literal_secret(key)
    return redis, celery

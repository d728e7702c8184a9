"""The servers of the settings: Redis, and the broker if it is another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from worker.settings.addresses import broker_url, redis_url, secret_in
from worker.settings.document import Table

if TYPE_CHECKING:
    from worker.settings.document import Document


class Redis(Table):
    """Where the ledger is; without a URL, in the embedded server's `data_dir`."""

    url: Annotated[str, AfterValidator(redis_url)] | None = None
    data_dir: str = Field(default=".intake", min_length=1)


class Celery(Table):
    """What carries the nudges; without a broker of its own, the Redis of the ledger."""

    broker: Annotated[str, AfterValidator(broker_url)] | None = None


def read_servers(document: Document) -> tuple[Redis, Celery]:
    """The tables [redis] and [celery]; a password in the file itself is noted as wrong."""
    redis = document.read(Redis, document.values.get("redis", {}), ("redis",)) or Redis()
    celery = document.read(Celery, document.values.get("celery", {}), ("celery",)) or Celery()
    for key, url in ((("redis", "url"), redis.url), (("celery", "broker"), celery.broker)):
        if url and secret_in(url) and key not in document.from_environment:
            document.refuse_literal(key)
    return redis, celery

"""What `intake up` imports for the processes that it forks: the parts of a worker, which nearly all of them use."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Final

from worker.process.fork import can_fork, keep_streams
from worker.process.imports import collection_paused
from worker.process.models import complete_models
from worker.systems import providers, targets, webhooks

if TYPE_CHECKING:
    from collections.abc import Iterable, Sized

    from worker.settings.load import Settings

#: Celery with its commands, our application and its tasks, and what the first call of a worker needs.
_MODULES: Final = (
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.bin.base",
    "celery.bin.beat",
    "celery.bin.worker",
    "celery.concurrency.prefork",
    "celery.concurrency.solo",
    "celery.worker.consumer",
    "kombu.transport.redis",
    "worker.app",
    "worker.app.flower_broker",
    "worker.http.connection",
)


def can_share(settings: Settings) -> bool:
    """Return whether processes can be forked from this one, which has read these settings.

    They cannot if that imported code of others: a restart has to import its changed files again, and nobody knows what
    it opened.
    """
    return can_fork() and not _has_code_of_others(settings)


@cache
def import_shared() -> None:
    """Import it."""
    keep_streams()
    with collection_paused():
        for name in _MODULES:
            import_module(name)
        for name in import_module("worker.app").TASKS:
            import_module(name)
    complete_models()


def _has_code_of_others(settings: Settings) -> bool:
    built_in = (providers.BUILT_IN, targets.BUILT_IN, webhooks.BUILT_IN)
    known: Iterable[Sized] = (providers.provider_kinds(), targets.target_kinds(), webhooks.webhook_kinds())
    transforms = any(route.transform is not None for route in settings.routes)
    return transforms or any(len(kinds) > len(ours) for ours, kinds in zip(built_in, known, strict=True))

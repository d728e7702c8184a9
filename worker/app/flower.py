"""Start Flower: with checked options, behind its password, and with a sign of life."""

from __future__ import annotations

import logging
import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from celery import Celery
from tornado.ioloop import PeriodicCallback

from worker.app import connection_log
from worker.app.broker import broker
from worker.app.flower_broker import use_in_flower
from worker.app.flower_guard import GuardedFlower
from worker.app.flower_pages import format_task, name_columns
from worker.app.liveness_step import EVERY
from worker.app.transport import run_no_scripts
from worker.errors import ConfigError
from worker.process.liveness_file import LivenessFile, liveness_folder
from worker.runtime import read_settings, redis_url
from worker.settings.flower import flower_options
from worker.store.redis.connection import ERRORS, connect
from worker.store.redis.diagnosis import state_of
from worker.store.redis.states import LASTING
from worker.telemetry import log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.settings.load import Settings


def run_flower(environ: Mapping[str, str]) -> None:
    """Run Flower until SIGTERM.

    Raises:
        ConfigError: An option or the address of Redis is wrong.
    """
    # Flower calls no account, so it needs no secret of one.
    settings = read_settings(offline=True)
    chosen = flower_options(environ)
    confirm_redis(settings)
    log.configure(settings.log.level, settings.log.format)
    if settings.broker_url is None:
        connection_log.reword()
    command: Any = import_module("flower.command")
    options: Any = command.options
    for name, value in {**chosen, "format_task": format_task}.items():
        setattr(options, name, value)
    command.extract_settings()
    command.setup_logging()
    # One line for each malformed request would let strangers fill the log.
    logging.getLogger("tornado.general").setLevel(logging.ERROR)
    run_no_scripts()
    use_in_flower(None if settings.broker_url else redis_url(settings))
    name_columns()
    app = Celery("intake.flower", set_as_current=False)
    app.conf.update(broker(settings), task_default_queue="intake.upkeep", timezone="UTC", enable_utc=True)
    flower = GuardedFlower(capp=app, options=options, **command.settings)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    flower.start_http_server()
    alive = LivenessFile(liveness_folder(settings.data_dir), "flower")
    PeriodicCallback(alive.tick, EVERY * 1000).start()
    try:
        flower.start()
    finally:
        flower.stop()


def confirm_redis(settings: Settings) -> None:
    """Raise ConfigError for a Redis that can never be used; one that is away is waited for."""
    if settings.broker_url is not None:
        return
    with connect(redis_url(settings), patience="short") as redis:
        try:
            redis.llen("intake.deliver")
        except ERRORS as error:
            state = state_of(error, redis)
            if state.name in LASTING:
                raise ConfigError(settings.file, "redis.url", state.sentence, state.remedy) from None

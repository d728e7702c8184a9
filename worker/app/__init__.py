"""The Celery app: queues, signals, nudges, and the beat schedule built from the settings."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import warnings
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import structlog
from billiard import current_process
from celery import Celery, signals
from celery.schedules import crontab, schedule
from kombu.exceptions import OperationalError

from worker.app import connection_log
from worker.app.background import background_tasks
from worker.app.broker import broker
from worker.app.hang_up_step import HangUpStep, ignore_hang_up
from worker.app.liveness_step import LivenessStep
from worker.app.steady import steady_now
from worker.app.transport import install
from worker.errors import ConfigError, StoreFull
from worker.http.task_time import end_calls_in
from worker.process.environment import hide_variables
from worker.process.intake_orders import prefer_own_packages
from worker.process.models import complete_models
from worker.process.output import finish_output
from worker.process.reloader import stop_process
from worker.process.stopping import stop_all, stop_here
from worker.runtime import Runtime, process_settings, runtime
from worker.settings.take_over import take_over
from worker.store.health.signs import BEAT
from worker.store.redis.connection import ERRORS
from worker.store.redis.diagnosis import state_of
from worker.telemetry import log, traces

if TYPE_CHECKING:
    from worker.settings.load import Settings

#: The modules of the tasks.
TASKS: Final = tuple(
    f"tasks.{name}" for name in ("poll", "fetch", "listen", "deliver", "doubt", "sweep", "reconcile", "backfill")
)
#: The queue of each task that is nudged.
_QUEUE_OF = {
    "poll": "intake.poll",
    "fetch": "intake.poll",
    "backfill": "intake.poll",
    "deliver": "intake.deliver",
    "doubt": "intake.deliver",
}
#: Most seconds that the comparison of one pair may take: most of the time it waits for its share of the limits.
RECONCILE_LIMIT = 20 * 3600
#: Seconds of a task after its last call: that call waited for a limit, and what it returned is written to Redis.
_WRITING = 15
#: Seconds for which a thread may compute while another thread's time slot of a limit has come. With the 5 ms of Python
#: a lane of 10/s would lose one call in twenty.
SWITCH_INTERVAL = 0.0005
#: The thresholds of the garbage collector in a worker. An order is some hundred objects and never garbage by a cycle:
#: with Python's own thresholds (700 objects), every page of orders is examined many times over.
_COLLECT = (10_000, 10, 10)
#: Seconds within which the tasks in the background end at a shutdown: after one call.
FINISH_WITHIN = 60.0
#: Processes of a worker on a machine with few cores, and at most. Start a second worker for more.
FEWEST, MOST_PROCESSES = 4, 16


def _schedule(settings: Settings) -> dict[str, Any]:
    entries: dict[str, Any] = {
        f"poll {name}": {
            "task": "tasks.poll",
            "schedule": schedule(timedelta(seconds=account.poll_every), nowfun=steady_now),
            "args": (name,),
            "options": {"queue": "intake.poll", "argsrepr": name},
        }
        for name, account in settings.providers.items()
    }
    entries["sweep"] = {
        "task": "tasks.sweep",
        "schedule": schedule(timedelta(seconds=settings.clocks.sweep), nowfun=steady_now),
        "options": {"queue": "intake.upkeep"},
    }
    nightly = settings.reconcile
    for provider, target in nightly.pairs:
        entries[f"reconcile {provider} {target}"] = {
            "task": "tasks.reconcile",
            "schedule": crontab(minute=str(nightly.at.minute), hour=str(nightly.at.hour), nowfun=steady_now),
            "args": (provider, target),
            "options": {"queue": "intake.poll", "argsrepr": f"{provider}, {target}"},
        }
    return entries


def _processes(settings: Settings) -> int:
    """Return the number of worker processes: at most two for each core, and one more for each pair to reconcile.

    There are at most `MOST_PROCESSES`, and no more than have something to do.

    A task that waits for another system leaves its process to other tasks (`background.py`), so more processes would
    only take memory. A comparison keeps its process for hours.
    """
    # One for each provider, up to two for each target, and one so that a backfill delays no other work.
    busy = len(settings.providers) + sum(min(2, target.concurrency) for target in settings.targets.values()) + 1
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(2, min(min(busy, max(FEWEST, 2 * cores)) + len(settings.reconcile.pairs), MOST_PROCESSES))


#: The number of processes in the pool of this worker; set before they are forked.
_pool = {"processes": 0}


@signals.celeryd_init.connect
def _size_pool(conf: Any, options: dict[str, Any], **_: object) -> None:
    _pool["processes"] = int(options.get("concurrency") or conf.worker_concurrency or 0)


def has_spare_processes(settings: Settings) -> bool:
    """Return whether this worker has a process for every account, and another one.

    Then a drain may wait for the next order without delaying other work.
    """
    accounts = len(settings.providers) + len(settings.targets)
    return _pool["processes"] > accounts + len(settings.reconcile.pairs)


def configuration() -> dict[str, Any]:
    """Return the settings of Celery. End the process with the reason of a ConfigError, without a traceback."""
    try:
        settings = process_settings()
        broker_settings = broker(settings)
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201  # there is no log before there are settings
        raise SystemExit(2) from None
    return {
        **broker_settings,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "beat_schedule": _schedule(settings),
        "beat_max_loop_interval": settings.clocks.sweep,
        "task_routes": {"tasks.ingest": {"queue": "intake.ingest"}},
        "task_default_queue": "intake.upkeep",
        "task_create_missing_queues": False,
        # A message is only a nudge: it is acknowledged early, and has no result.
        "task_acks_late": False,
        "task_ignore_result": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_time_limit": 60 + max(settings.clocks.poll, settings.clocks.drain) + settings.clocks.request,
        "worker_prefetch_multiplier": 1,
        "worker_concurrency": _processes(settings),
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "timezone": "UTC",
        "enable_utc": True,
    }


# For `celery -A worker.app`; the processes of `intake` did it first of all. Celery looks for tasks in the working
# directory first, where other projects have a tasks.py.
hide_variables()
prefer_own_packages()
# A container often runs as root, and messages are JSON: no code arrives with them.
warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")
app = Celery("intake", include=list(TASKS))
install()
app.add_defaults(configuration)
app.steps["consumer"].add(LivenessStep)
app.steps["worker"].add(HangUpStep)
signals.worker_process_init.connect(ignore_hang_up)


#: Notifies a worker that a task has work for an account: `nudge(task, name)`.
Nudge = Callable[[str, str], None]


def nudge(task: str, name: str, count: int = 1) -> None:
    """Notify `count` workers that `task` (a key of `_QUEUE_OF`) has work for the account `name`.

    Nothing is sent while the same nudge waits for a worker. A lost nudge costs seconds: the next sweep finds the work.
    A broker that cannot be reached is logged once per lifetime of a nudge, because no other attempt is made until then.
    """
    try:
        offered = runtime().nudges.offer(task, name)
    except StoreFull as full:
        log.report_store_full(full)
        return
    try:
        for _ in range(count if offered else 0):
            # Flower shows the name of the account.
            app.send_task(
                f"tasks.{task}",
                args=(name,),
                argsrepr=name,
                queue=_QUEUE_OF[task],
                ignore_result=True,
                retry=False,
            )
    except OperationalError as error:
        reason, remedy = type(error.__cause__ or error).__name__, "check RabbitMQ; Intake recovers automatically"
        if runtime().settings.broker_url is None:
            state = state_of(error)
            reason, remedy = state.sentence, state.remedy
        structlog.get_logger().error("broker.away", task=task, name=name, reason=reason, remedy=remedy)


@signals.worker_init.connect
@signals.beat_init.connect
def _refuse_other_accounts(**_: object) -> None:
    """End the process if the ledger is not that of the accounts in the settings; while Redis is away, its tasks do."""
    try:
        with contextlib.suppress(StoreFull, *ERRORS), Runtime(process_settings(), patience="short") as rt:
            rt.installation.confirm()
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201  # the supervisor's own log, as in `configuration`
        raise SystemExit(2) from None


@signals.worker_init.connect
def _set_switch_interval(**_: object) -> None:
    sys.setswitchinterval(SWITCH_INTERVAL)


@signals.worker_before_create_process.connect
def share_memory(**_: object) -> None:
    """Build the models, and keep the collector off what exists: it writes into each object, so no page stays shared."""
    import_module("worker.http.connection")  # which a command that calls no account does not need
    complete_models()
    gc.freeze()
    gc.set_threshold(*_COLLECT)


@signals.worker_shutting_down.connect
def _stop_pool(**_: object) -> None:
    """Stop the processes of the pool after their current call: a warm shutdown only waits for them."""
    stop_all()


@signals.task_prerun.connect
def _stop_after_this_call(**_: object) -> None:
    """Finish the current call on SIGTERM, because a supervisor may signal each process of the pool (systemd does).

    The handler is set before a task rather than at the start of the process, because the pool sets its own in between.
    """
    if current_process().name != "MainProcess":
        signal.signal(signal.SIGTERM, lambda *_: stop_here())


@cache
def _last_call() -> float:
    """Return the seconds that a task may need from the beginning of its last call on."""
    return process_settings().clocks.request + _WRITING


@signals.task_prerun.connect
def _limit_calls(task: Any, **_: object) -> None:
    """Let the last call of a task end before the time limit of Celery, which is for tasks that hang."""
    end_calls_in((task.time_limit or task.app.conf.task_time_limit) - _last_call())


@signals.task_postrun.connect
def _end_limit_of_calls(**_: object) -> None:
    end_calls_in(None)


@signals.setup_logging.connect
def _configure_log(**_: object) -> None:
    settings = process_settings()
    log.configure(settings.log.level, settings.log.format)
    if settings.broker_url is None:
        connection_log.reword()
    traces.warn_if_missing()


@signals.worker_process_shutdown.connect
def _end_process(**_: object) -> None:
    """Let the tasks in the background end, and send the remaining traces: no exit handler of Python runs here."""
    background_tasks().finish(FINISH_WITHIN)
    traces.close()
    finish_output()


@signals.task_prerun.connect
def _record_task(task: Any, **_: object) -> None:
    runtime().signs.give(f"did {task.name.removeprefix('tasks.')}")


@signals.before_task_publish.connect
def _record_beat(sender: object = None, body: Any = None, **_: object) -> None:
    """Record that beat is alive: only beat sends the sweep.

    Its polls are recorded as nudges like all others, so that a drain notices that they wait.
    """
    if sender == "tasks.sweep":
        runtime().signs.give(BEAT, process_settings().fingerprint)
    if sender == "tasks.poll":
        with contextlib.suppress(StoreFull, *ERRORS):
            rt = runtime()
            (name,) = body[0]
            rt.nudges.offer("poll", rt.settings.ledger_provider(name))


@signals.beat_init.connect
def _heed_reload(**_: object) -> None:
    reloader = take_over(process_settings(), BEAT, stop_process)
    if reloader is not None:
        reloader.heed()


@signals.beat_init.connect
def _poll_at_start(**_: object) -> None:
    """Poll once when beat starts, because its first tick comes only after a whole interval."""
    for name in runtime().settings.providers:
        nudge("poll", name)

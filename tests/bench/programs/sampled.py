"""Intake's Celery app with sampled pool processes: `celery -A bench.programs.sampled worker`.

Every few milliseconds of processor time, a pool process records its stack. When it ends, it writes {stack: samples} to
$SAMPLES/PID.json. A stack is "outermost;...;innermost", where a frame is "module:function". Tasks run in the main
thread instead of one of their own: Python handles signals only there.
"""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery import signals

from worker.app import app as app  # noqa: PLC0414  # what `celery -A` looks for
from worker.app.background import Background

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

#: Seconds of processor time between two samples; an odd value, so that it does not coincide with periodic work.
EVERY = 0.0023
stacks: Counter[str] = Counter()


def _sample(_number: int, frame: FrameType | None) -> None:
    names: list[str] = []
    while frame is not None:
        names.append(f"{frame.f_globals.get('__name__', '?')}:{frame.f_code.co_name}")
        frame = frame.f_back
    stacks[";".join(reversed(names))] += 1


def _run_here(_self: Background, _job: object, work: Callable[[], Any], **_: object) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(work())
    return future


@signals.worker_process_init.connect
def _begin(**_: object) -> None:
    Background.run = _run_here  # type: ignore[method-assign,assignment]
    signal.signal(signal.SIGPROF, _sample)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)


@signals.worker_process_shutdown.connect
def _end(**_: object) -> None:
    signal.setitimer(signal.ITIMER_PROF, 0)
    Path(os.environ["SAMPLES"], f"{os.getpid()}.json").write_text(json.dumps(stacks))

"""Failpoints: named places before and after each effect, where a test makes this process fail.

They are armed by the environment of the process, for tests alone:

    INTAKE_FAILPOINTS="script:settle:after=kill,skip=3; http:write:before=stop,seconds=5"
    INTAKE_FAILPOINTS_DIR=/a/folder     # a fault fires once over all processes that share it; a file there says so

Points are `script:NAME:before|after` (a Lua script), `redis:COMMAND:before|after` (any other command), and
`http:read|write:before|sent|after`: between the look at the lease and the first byte; the request is gone; the answer
has come. What is not armed is not there: `worker/store/failing.py` and `worker/failing.py` put a class that knows the
points in the place of the real one when a connection is made, and only if something is armed.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: Faults that whoever asked has to act out: the answer is lost; the effect takes place twice; cut before a byte is out.
ACTED: Final = frozenset({"lost", "repeat", "cut"})


@dataclass(slots=True)
class Failpoint:
    """What goes wrong at a point: after `skip` passages of this process, `times` times over all processes."""

    fault: str
    skip: int = 0
    times: int = 1
    #: A regular expression for the URL of a call, or for the answer of a script: what does not match is no passage.
    match: str = ""
    #: How long (delay, stop), or how far (step).
    seconds: float = 0.0


def _kill(_: float) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop(seconds: float) -> None:
    """Stop this whole process, its heartbeats as well, as a paused machine or a swapping one does."""
    wake = f"sleep {seconds:g}; kill -CONT {os.getpid()}"
    subprocess.Popen(["/bin/sh", "-c", wake], start_new_session=True)  # noqa: S603  # our own words
    os.kill(os.getpid(), signal.SIGSTOP)


@dataclass(slots=True)
class Failpoints:
    """What is armed in this process, and what the faults do."""

    folder: Path
    armed: dict[str, Failpoint]
    #: By fault; the store adds its own: flush, step.
    actions: dict[str, Callable[[float], object]] = field(
        default_factory=lambda: {"kill": _kill, "delay": time.sleep, "stop": _stop}
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __bool__(self) -> bool:
        return bool(self.armed)

    def fire(self, point: str, detail: object = "") -> str:
        """Do what is armed here; answers the fault if the caller has to act it out, else ""."""
        found = self.armed.get(point)
        if found is None or (found.match and not re.search(found.match, str(detail))):
            return ""
        with self._lock:
            if found.skip > 0:
                found.skip -= 1
                return ""
        if not self._first(point, found):
            return ""
        if found.fault in ACTED:
            return found.fault
        self.actions[found.fault](found.seconds)
        return ""

    def _first(self, point: str, found: Failpoint) -> bool:
        for number in range(found.times):
            try:
                os.close(os.open(self.folder / f"{point}.{number}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            except FileExistsError:
                continue
            return True
        return False


def armed() -> Failpoints:
    """What the environment arms; nothing, in all of life but a test."""
    return _read(os.environ.get("INTAKE_FAILPOINTS", ""), os.environ.get("INTAKE_FAILPOINTS_DIR", ""))


@cache
def _read(text: str, folder: str) -> Failpoints:
    if text and not folder:
        raise ValueError("INTAKE_FAILPOINTS needs INTAKE_FAILPOINTS_DIR")
    found: dict[str, Failpoint] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        point, _, rest = part.partition("=")
        fault, *options = rest.split(",")
        given = dict(option.split("=", 1) for option in options)
        skip, times = int(given.get("skip", "0")), int(given.get("times", "1"))
        found[point] = Failpoint(fault, skip, times, given.get("match", ""), float(given.get("seconds", "0")))
    return Failpoints(Path(folder), found)

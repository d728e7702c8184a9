"""Failpoints: named places before and after each effect, where a test makes this process fail.

They are armed by the environment of the process, for tests alone:

    INTAKE_FAILPOINTS="script:settle:after=kill,skip=3; http:write:before=stop,seconds=5"
    INTAKE_FAILPOINTS_DIR=/a/folder     # a fault fires once over all processes that share it; a file there says so
    INTAKE_FAILPOINTS="script:settle:after=kill,call=one; script:settle:after=lost,call=two"    # whenever it is called

A fault with a `call` fires each time that a file of this name lies in the folder: who takes the file away acts it out.
A point may be named many times; the first fault that is due fires.

Points are `script:NAME:before|after` (a Lua script), `redis:COMMAND:before|after` (any other command), and
`http:read|write:before|sent|after`: between the look at the lease and the first byte; the request is gone; the answer
has come. An unarmed failpoint costs nothing: only while one is armed do `worker/store/redis/failpoints.py` and
`worker/http/failpoints.py` replace the class of a new connection by one that knows the points.
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
    #: The file that calls for it, instead of `skip` and `times`.
    call: str = ""


#: Seconds for which a process believes what it saw of the calls in the folder.
_FRESH: Final = 0.05


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
    armed: dict[str, list[Failpoint]]
    #: By fault; the store adds its own: flush, step.
    actions: dict[str, Callable[[float], object]] = field(
        default_factory=lambda: {"kill": _kill, "delay": time.sleep, "stop": _stop}
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _calls: frozenset[str] = frozenset()
    _looked: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.armed)

    def fire(self, point: str, detail: object = "") -> str:
        """Do what is armed here; answers the fault if the caller has to act it out, else ""."""
        for found in self.armed.get(point, ()):
            if found.call and found.call not in self._called():
                continue
            if found.match and not re.search(found.match, str(detail)):
                continue
            if not (self._answers(found.call) if found.call else self._due(point, found)):
                continue
            if found.fault in ACTED:
                return found.fault
            self.actions[found.fault](found.seconds)
            return ""
        return ""

    def _called(self) -> frozenset[str]:
        now = time.monotonic()
        if now - self._looked > _FRESH:
            self._calls, self._looked = frozenset(os.listdir(self.folder)), now  # noqa: PTH208  # names are enough, and it is asked all the time
        return self._calls

    def _answers(self, call: str) -> bool:
        """Take the call away; of all processes one can."""
        self._calls -= {call}
        try:
            (self.folder / call).unlink()
        except FileNotFoundError:
            return False
        return True

    def _due(self, point: str, found: Failpoint) -> bool:
        with self._lock:
            if found.skip > 0:
                found.skip -= 1
                return False
        return self._first(point, found)

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
    found: dict[str, list[Failpoint]] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        point, _, rest = part.partition("=")
        fault, *options = rest.split(",")
        given = dict(option.split("=", 1) for option in options)
        skip, times = int(given.get("skip", "0")), int(given.get("times", "1"))
        match, seconds, call = given.get("match", ""), float(given.get("seconds", "0")), given.get("call", "")
        found.setdefault(point, []).append(Failpoint(fault, skip, times, match, seconds, call))
    return Failpoints(Path(folder), found)

"""Failpoints: named points before and after each effect, at which a test makes this process fail.

The environment of the process arms them, in tests only:

    INTAKE_FAILPOINTS="script:settle:after=kill,skip=3; http:write:before=stop,seconds=5"
    INTAKE_FAILPOINTS_DIR=/a/folder     # a fault fires once over all processes that share the folder, and leaves a file
    INTAKE_FAILPOINTS="script:settle:after=kill,call=one; script:settle:after=lost,call=two"    # whenever it is called

A fault with a `call` fires each time that the folder holds a file of this name: the process that deletes the file acts
the fault out. A point may be named several times; the first fault that is due fires.

Points are `script:NAME:before|after` (a Lua script), `redis:COMMAND:before|after` (any other command), and
`http:read|write:before|sent|after`: between the check of the lease and the first byte, after the request is sent, and
after the response has arrived. An unarmed failpoint costs nothing: only while one is armed do
`worker/store/redis/failpoints.py` and `worker/http/failpoints.py` replace the class of a new connection by one that
fires the points.
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

#: Faults that the caller of `fire` acts out: the response is lost, the effect happens twice, or the connection is cut
#: before the first byte.
ACTED: Final = frozenset({"lost", "repeat", "cut"})


@dataclass(slots=True)
class Failpoint:
    """A fault at a point.

    It fires once this process has passed the point `skip` times, and `times` times over all processes.
    """

    fault: str
    skip: int = 0
    times: int = 1
    #: A regular expression for the URL of a call or the reply of a script: only a match counts as passing the point.
    match: str = ""
    #: How long the fault lasts (delay, stop), or by how much the clock jumps (step).
    seconds: float = 0.0
    #: The file that triggers the fault, instead of `skip` and `times`.
    call: str = ""


#: Seconds for which a process caches the list of calls in the folder.
_FRESH: Final = 0.05


def _kill(_: float) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop(seconds: float) -> None:
    """Stop this whole process with its heartbeats, as a paused or swapping machine does."""
    resume = f"sleep {seconds:g}; kill -CONT {os.getpid()}"
    subprocess.Popen(["/bin/sh", "-c", resume], start_new_session=True)  # noqa: S603  # no foreign input
    os.kill(os.getpid(), signal.SIGSTOP)


@dataclass(slots=True)
class Failpoints:
    """The armed failpoints of this process, and the actions of their faults."""

    folder: Path
    armed: dict[str, list[Failpoint]]
    #: The action of each fault; the store adds "flush", "forget" (after a step: as if it had not happened) and "step".
    actions: dict[str, Callable[[float], object]] = field(
        default_factory=lambda: {"kill": _kill, "delay": time.sleep, "stop": _stop}
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _calls: frozenset[str] = frozenset()
    _read_at: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.armed)

    def forgets(self, point: str) -> bool:
        """Return whether what happens at this point may have to be undone."""
        return any(failpoint.fault == "forget" for failpoint in self.armed.get(f"{point}:after", ()))

    def fire(self, point: str, detail: object = "") -> str:
        """Run the fault that is armed at `point`. Return its name if the caller has to act it out, else ""."""
        for failpoint in self.armed.get(point, ()):
            if failpoint.call and failpoint.call not in self._read_calls():
                continue
            if failpoint.match and not re.search(failpoint.match, str(detail)):
                continue
            if not (self._delete_call(failpoint.call) if failpoint.call else self._pass(point, failpoint)):
                continue
            if failpoint.fault in ACTED:
                return failpoint.fault
            self.actions[failpoint.fault](failpoint.seconds)
            return ""
        return ""

    def _read_calls(self) -> frozenset[str]:
        now = time.monotonic()
        if now - self._read_at > _FRESH:
            self._calls, self._read_at = frozenset(os.listdir(self.folder)), now  # noqa: PTH208  # called often, and names suffice
        return self._calls

    def _delete_call(self, call: str) -> bool:
        """Delete the file of the call. Return True in the one process that could."""
        self._calls -= {call}
        try:
            (self.folder / call).unlink()
        except FileNotFoundError:
            return False
        return True

    def _pass(self, point: str, failpoint: Failpoint) -> bool:
        """Count that the point is passed. Return whether the fault fires now."""
        with self._lock:
            if failpoint.skip > 0:
                failpoint.skip -= 1
                return False
        return self._fire_once(point, failpoint)

    def _fire_once(self, point: str, failpoint: Failpoint) -> bool:
        """Take one of the `times` that all processes share. Return False if none is left."""
        for number in range(failpoint.times):
            try:
                os.close(os.open(self.folder / f"{point}.{number}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            except FileExistsError:
                continue
            return True
        return False


def armed_failpoints() -> Failpoints:
    """Return the failpoints that the environment arms: none outside of tests."""
    return _parse(os.environ.get("INTAKE_FAILPOINTS", ""), os.environ.get("INTAKE_FAILPOINTS_DIR", ""))


def forget_counts() -> None:
    """Count anew how often a point is passed, as a new process does."""
    _parse.cache_clear()


@cache
def _parse(text: str, folder: str) -> Failpoints:
    if text and not folder:
        raise ValueError("INTAKE_FAILPOINTS needs INTAKE_FAILPOINTS_DIR")
    failpoints: dict[str, list[Failpoint]] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        point, _, rest = part.partition("=")
        fault, *options = rest.split(",")
        values = dict(option.split("=", 1) for option in options)
        skip, times = int(values.get("skip", "0")), int(values.get("times", "1"))
        match, seconds, call = values.get("match", ""), float(values.get("seconds", "0")), values.get("call", "")
        failpoints.setdefault(point, []).append(Failpoint(fault, skip, times, match, seconds, call))
    return Failpoints(Path(folder), failpoints)

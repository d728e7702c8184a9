"""Fork a program of Intake instead of executing it: it shares all that this process has imported.

The child is as a new interpreter with that command line would be. It has nothing of its parent but modules: no open
file or connection, no handler of a signal, no variable, and none of the state for which a module uses `renew_by`.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import runpy
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final, NoReturn

from worker.process.environment import renew_environment
from worker.process.intake_orders import PYTHON_VARIABLES
from worker.process.output import Output, unblocked
from worker.process.parent import die_with_parent
from worker.process.renewal import renew
from worker.process.replacement import began_as_ours
from worker.process.title import show_as

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: Seconds for threads that are about to end.
_ENDING: Final = 0.5
_STREAMS: Final = ("__stdout__", "__stderr__")
#: Bytes of the reason for which a child could not begin.
_REASON: Final = 200


def can_fork() -> bool:
    """Return whether a program may be forked from this process now; elsewhere it has to be executed.

    Only Linux has libraries for which a fork without exec is safe, and only if no other thread may hold a lock.
    """
    return sys.platform == "linux" and began_as_ours() and _is_alone()


def _is_alone() -> bool:
    """Return whether this process has one thread only; wait a moment for those that are about to end."""
    end = time.monotonic() + _ENDING
    with contextlib.suppress(OSError):
        while len(os.listdir("/proc/self/task")) != 1:  # noqa: PTH208  # names suffice
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True
    return False


def keep_streams() -> None:
    """Let the original streams be those that the children use; call it before Celery is imported, which keeps them."""
    for name in _STREAMS:
        setattr(sys, name, unblocked(getattr(sys, name)))


class Forked:
    """A forked process: what a supervisor uses of `subprocess.Popen`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs; -9 for a process that the signal 9 has ended."""
        return self._wait(os.WNOHANG)

    def wait(self) -> int | None:
        """Wait until it has ended."""
        return self._wait(0)

    def terminate(self) -> None:
        """Ask it to end, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)

    def _wait(self, options: int) -> int | None:
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, options)
            except ChildProcessError:  # nobody knows: the parent was started with SIGCHLD ignored
                self.returncode = 0
            else:
                self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode


def fork_program(command: Sequence[str], env: Mapping[str, str], name: str) -> tuple[Forked, int]:
    """Fork a program; return its process, and the descriptor of what it prints. Raise OSError if that fails.

    Args:
        command: The command line, as `worker.process.intake_orders.command` returns it.
        env: All of its environment.
        name: What it is called where there is no room for the command line.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # The collector writes into each object that it examines, so no page would stay shared.
    gc.freeze()
    read, write = os.pipe()
    reason, say = os.pipe()
    bind = die_with_parent()

    def become() -> None:
        os.setsid()
        if bind is not None:
            bind()
        _renew_files(write, say)
        _renew_signals()
        renew_environment({key: value for key, value in env.items() if key not in PYTHON_VARIABLES})
        renew()
        sys.orig_argv, sys.argv = [*command], [*command[3:]]
        show_as(command, f"intake {name}")

    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if not pid:
            _begin(become, say, before)
    except OSError:
        for descriptor in (read, reason):
            os.close(descriptor)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for descriptor in (write, say):
            os.close(descriptor)
    process = Forked(pid)
    # Until the child is ready: from then on it has a process group, which can be killed.
    with open(reason, "rb") as file:  # noqa: PTH123  # a descriptor
        said = file.read().decode(errors="replace")
    if said:
        os.close(read)
        process.wait()
        raise OSError(0, said)
    return process, read


def _begin(become: Callable[[], None], say: int, mask: set[Any]) -> NoReturn:
    """Run a program in this child, and end the process: the code of the parent must never continue here."""
    try:
        become()
        os.close(say)
    except BaseException as error:  # noqa: BLE001  # the parent reports it
        os.write(say, f"{type(error).__name__}: {error}".encode(errors="replace")[:_REASON])
        os._exit(1)
    code = 1
    try:
        code = _code_of(lambda: _run(mask))
        code = _code_of(_finish) or code
    finally:
        os._exit(code)


def _run(mask: set[Any]) -> None:
    """Heed signals from now on, and run the module as `intake_orders` does."""
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _renew_files(output: int, say: int) -> None:
    """Have only the standard streams open, of which two go to `output`, and `say` until the program begins."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number in (1, 2):
        os.dup2(output, number)
    for descriptor in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208  # numbers
        if descriptor > 2 and descriptor != say:  # noqa: PLR2004  # standard error
            with contextlib.suppress(OSError):  # the one of this list
                os.close(descriptor)
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # type: ignore[misc]  # noqa: SIM115  # of the whole process
    for name in _STREAMS:
        stream: Any = getattr(sys, name)
        if isinstance(stream.buffer, Output):
            stream.buffer.reopen()
        setattr(sys, name.strip("_"), stream)


def _renew_signals() -> None:
    """Handle signals as a new interpreter does: one that is ignored stays ignored, any other has no handler of ours."""
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def _code_of(work: Callable[[], object]) -> int:
    """Do the work; return the exit code with which Python would end after it."""
    try:
        work()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        print(end.code, file=sys.stderr)  # noqa: T201  # as Python does
        return 1
    except BaseException:  # noqa: BLE001  # as Python does
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _finish() -> None:
    """Do what Python does at the end of a process."""
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001  # waits for threads
    atexit._run_exitfuncs()  # noqa: SLF001
    for stream in (sys.stdout, sys.stderr):
        stream.flush()

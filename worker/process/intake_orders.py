"""Start a process of Intake: neither the environment nor the working directory changes what it imports.

The packages of Intake have names that other projects use as well (worker, tasks, schemas), and Python looks for them in
PYTHONPATH and in the working directory first. So every process begins here: the command `intake`, which an installation
finds as the top-level module `intake_orders`, a name that is ours alone; and `python -P THIS_FILE MODULE WORDS...` for
the processes that it starts.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from importlib.machinery import ModuleSpec

#: The variables with which Python would import other modules, or run ours in another way. Those that say where Python
#: is, how it writes its output and bytecode, and how it finds faults in itself are left alone.
PYTHON_VARIABLES: Final = frozenset(
    """
    PYTHONASYNCIODEBUG PYTHONBREAKPOINT PYTHONCASEOK PYTHONDEBUG PYTHONDEVMODE PYTHONINSPECT PYTHONINTMAXSTRDIGITS
    PYTHONNODEBUGRANGES PYTHONOPTIMIZE PYTHONPATH PYTHONPROFILEIMPORTTIME PYTHONSTARTUP PYTHONTZPATH PYTHONVERBOSE
    PYTHONWARNDEFAULTENCODING PYTHONWARNINGS
    """.split()  # noqa: SIM905  # sixteen quoted words read worse
)
PACKAGES: Final = ("worker", "tasks", "schemas")
_FILE: Final = os.path.abspath(__file__)  # noqa: PTH100  # imports as little as possible: this runs before everything
#: Where the packages are: beside the top-level module, or two folders above the one in the package.
_ROOT: Final = os.path.dirname(_FILE).removesuffix(os.path.join(os.sep, "worker", "process"))  # noqa: PTH118, PTH120
_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP)


def command(module: str, *words: str) -> list[str]:
    """Return the command line that runs a module of Intake in a new process of this Python interpreter."""
    return [sys.executable, "-P", _FILE, module, *words]


def replace_process(argv: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    """Become another process of Intake. A signal that arrives meanwhile is delivered to it when it heeds signals."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        os.execve(argv[0], list(argv), dict(environ))  # noqa: S606  # our own list, no shell
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def main() -> None:
    """Run the command `intake`."""
    _run("worker.cli")


def _run(module: str) -> None:
    try:
        _open_standard_streams()
        _heed_signals()
        _drop_python_variables(module)
        _clean_path()
        prefer_own_packages()
        from worker.process.environment import hide_variables
        from worker.process.replacement import replace_at_exit

        hide_variables()
        replace_at_exit(replace_process)
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def _open_standard_streams() -> None:
    """Open the streams that the parent closed: a connection would get the number of one, and what is printed to it."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115  # of the whole process
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


def _heed_signals() -> None:
    """End on a signal from now on, also as the first process of a container, which ignores it by default."""
    if os.getpid() == 1:
        for number in _SIGNALS:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, lambda number, _: os._exit(128 + number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def _drop_python_variables(module: str) -> None:
    """Start again without the variables that Python obeyed already."""
    if sys.executable and not PYTHON_VARIABLES.isdisjoint(os.environ):
        environ = {name: value for name, value in os.environ.items() if name not in PYTHON_VARIABLES}
        replace_process(command(module, *sys.argv[1:]), environ)


class _OwnPackages:
    """Find the packages of Intake beside this file, whatever the path of modules begins with."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG004  # Python's signature
        return PathFinder.find_spec(name, [_ROOT]) if name in PACKAGES else None


def prefer_own_packages() -> None:
    """Import the packages of Intake from here, and from nowhere else, from now on."""
    if _OwnPackages not in sys.meta_path:
        sys.meta_path.insert(0, _OwnPackages)


def _clean_path() -> None:
    """Look for modules where they are installed."""
    if not sys.flags.safe_path:
        del sys.path[0]  # the folder of the command, or the working directory
    if _ROOT not in sys.path:
        sys.path.append(_ROOT)


if __name__ == "__main__":
    _module = sys.argv.pop(1)
    _run(_module)

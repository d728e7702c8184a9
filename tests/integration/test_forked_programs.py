"""A program that a supervisor forks is as one that it executes: it shares what was imported, and nothing else."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

#: A supervisor with much that its programs must not get. Its first word is code to run before, the second says how
#: often its program runs, and the rest is the command line of the program.
DRIVER: Final = """
import fcntl, json, os, signal, socket, sys, threading, time
before, count, *command = sys.argv[1:]
sys.path.append(os.getcwd())
from worker.process import replacement
replacement.replace_at_exit(lambda *_: None)  # as a process that began in `intake_orders`
from worker.cli.run.supervisor import Program, Supervisor
from worker.failpoints import armed_failpoints
from worker.http import connection
from worker.process import fork, stopping
from worker.process.intake_orders import PYTHON_VARIABLES
from worker.runtime import process_settings  # which says what else begins anew
fork.keep_streams()
import shared
shared.forked = True
lock = os.open("lock", os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
os.set_inheritable(lock, False)
kept = socket.create_server(("127.0.0.1", 0)), open("lock")
for number in (signal.SIGUSR1, signal.SIGALRM):
    signal.signal(number, lambda *_: print("a handler of the parent", flush=True))
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
os.environ["ONLY_OF_THE_PARENT"] = "1"
stopping.stop_all()
connection._tls_context()
armed_failpoints()
exec(before)
left_out = {"ONLY_OF_THE_PARENT", *PYTHON_VARIABLES}  # an executed program would begin again without them
env = {name: value for name, value in os.environ.items() if name not in left_out}
env |= {"OF_THE_CHILD": "1", "CELERY_BROKER_URL": "x"}
programs = [Program(f"n{n}", command, forks=True) for n in range(int(count))]
Supervisor(programs, env, 5.0).run()
"""
#: The module that the programs share.
SHARED: Final = "forked = False\n"
#: What a program finds when it begins.
PROBE: Final = """
import json, os, random, signal, sys, time
import shared
from worker import failpoints
from worker.http import connection
from worker.process import environment, stopping
from worker.process.output import unblock_output
unblock_output()
def opened(number):
    try:
        return os.readlink(f"/proc/self/fd/{number}").partition(":")[0]
    except OSError:
        return "closed"
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
print(json.dumps({
    "forked": shared.forked,
    "pid": os.getpid(),
    "random": random.random(),
    "as executed": {
        "files": sorted(opened(number) for number in os.listdir("/proc/self/fd")),
        "signals": {name: status[name].strip() for name in ("SigBlk", "SigIgn", "SigCgt")},
        "handlers": [str(signal.getsignal(number)).partition(" at ")[0] for number in sorted(signal.valid_signals())],
        "environment": sorted(os.environ.items()),
        "all of it": sorted(environment.environment().items()),
        "session": os.getsid(0) == os.getpgid(0) == os.getpid(),
        "words": sys.argv[1:], "original": sys.orig_argv,
        "streams": [(s.encoding, s.errors, s.line_buffering) for s in (sys.stdout, sys.stderr)],
        "same stream": sys.stderr is sys.__stderr__,
        "input": sys.stdin.read(),
        "folder": os.getcwd(),
        "stopping": stopping.stopping(),
        "kept": connection._load.cache_info().currsize + failpoints._parse.cache_info().currsize,
        "shown": open("/proc/self/cmdline").read().replace("\\0", " ").strip(),
    },
}), flush=True)
print("to the error output", file=sys.stderr, flush=True)
"""
WAITING: Final = PROBE + "time.sleep(300)\n"


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)


class Run:
    """A supervisor in its own process, and what it printed."""

    def __init__(self, home: Path, probe: str, before: str, count: int) -> None:
        (home / "shared.py").write_text(SHARED)
        (home / "probe.py").write_text(probe)
        #: An executed program looks for modules in the folder as well.
        entry = home / "entry.py"
        entry.write_text(
            f"import sys\nsys.path.append({str(home)!r})\nfrom worker.process import intake_orders as entry\n"
            "sys.argv.pop(0)\nword = sys.argv[0]\nentry._run(word)\n"
        )
        self.home = home
        command = [sys.executable, "-P", str(entry), "probe", "one", "two words"]
        with (home / "output").open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", DRIVER, before, str(count), *command],
                cwd=home,
                stdout=subprocess.DEVNULL,
                stderr=output,
                start_new_session=True,
            )
        self.seen: dict[int, psutil.Process] = {}

    def text(self) -> str:
        return (self.home / "output").read_text()

    def until(self, text: str) -> None:
        until(lambda: text in self.text())

    def reports(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in re.findall(r"^n\d +\| (\{.*\})$", self.text(), re.MULTILINE)]

    def below(self) -> Sequence[psutil.Process]:
        found = psutil.Process(self.process.pid).children(recursive=True)
        self.seen |= {process.pid: process for process in found}
        return found


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start(probe: str = WAITING, before: str = "", count: int = 1) -> Run:
        home = tmp_path / str(len(runs))
        home.mkdir()
        runs.append(Run(home, probe, before, count))
        return runs[-1]

    yield start
    for run in runs:
        with contextlib.suppress(psutil.NoSuchProcess):
            run.below()
        run.process.kill()
        run.process.wait()
        for process in run.seen.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every program is executed")
EXECUTED: Final = "fork.sys = type('Elsewhere', (), {'platform': 'darwin'})"


def test_a_forked_program_is_as_an_executed_one(supervise: Callable[..., Run]) -> None:
    forked, executed = supervise(), supervise(before=EXECUTED)
    until(lambda: all("to the error output" in run.text() for run in (forked, executed)))
    (ours,), (theirs,) = forked.reports(), executed.reports()
    assert (ours["forked"], theirs["forked"]) == (True, False)
    homes = str(forked.home), str(executed.home)
    assert json.loads(json.dumps(ours["as executed"]).replace(*homes)) == theirs["as executed"]
    assert ours["as executed"]["files"] == ["/dev/null", *["closed"], *["pipe"] * 4]
    assert not ours["as executed"]["stopping"]
    assert psutil.Process(ours["pid"]).name() == "intake n0"


def test_forked_programs_share_neither_random_numbers_nor_an_order_to_stop(supervise: Callable[..., Run]) -> None:
    stop_others = PROBE + "stopping.stop_all()\ntime.sleep(1)\nprint('stopped', flush=True)\ntime.sleep(300)\n"
    run = supervise(probe=stop_others, count=2)
    until(lambda: run.text().count("| stopped") == 2)
    first, second = run.reports()
    assert first["random"] != second["random"]
    process = psutil.Process(second["pid"])
    process.kill()
    until(lambda: len(run.reports()) == 3)
    assert [report["as executed"]["stopping"] for report in run.reports()] == [False] * 3


def test_the_lock_of_the_parent_ends_with_it_and_so_do_its_programs(supervise: Callable[..., Run]) -> None:
    run = supervise(count=2)
    until(lambda: len(run.reports()) == 2)
    assert len(run.below()) == 2
    with (run.home / "lock").open() as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for process in run.seen.values():
            process.suspend()  # it holds its files until it has ended
        run.process.kill()
        run.process.wait()
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    until(lambda: not any(process.is_running() and process.status() != "zombie" for process in run.seen.values()))


@pytest.mark.parametrize(
    ("ending", "shown"),
    [
        ("sys.exit(3)", "ended with 3"),
        ("sys.exit('a reason')", "a reason"),
        ("raise ValueError('no')", "ValueError: no"),
        ("raise KeyboardInterrupt", "ended with 130"),
        ("import atexit; atexit.register(print, 'an exit handler')", "an exit handler"),
        ("import threading; threading.Timer(0.3, print, ['a thread']).start()", "a thread"),
        ("sys.stdout.write('half a line')", "half a line"),
    ],
)
def test_a_forked_program_ends_as_an_executed_one(supervise: Callable[..., Run], ending: str, shown: str) -> None:
    texts = []
    for before in ("", EXECUTED):
        run = supervise(f"import sys\n{ending}\n", before)
        run.until("started again")
        run.process.terminate()
        assert run.process.wait(10) == 0
        assert shown in run.text()
        # In any order, and once: a busy supervisor may report the end before the last line, and start the next run.
        lines = re.sub(r"again in \d+ s", "again", run.text()).splitlines()
        texts.append({line for line in lines if not re.search(r"\|   File|\|     |\| +\^", line)})
    assert texts[0] == texts[1]


def test_a_program_that_cannot_begin_never_runs_the_code_of_its_parent(supervise: Callable[..., Run]) -> None:
    """That would stop the other programs."""
    before = "fork.show_as = lambda command, name: name.endswith('n0') or 1 / 0"
    run = supervise(before=before, count=2)
    until(lambda: run.text().count("cannot be started") == 2 and run.reports())
    assert "n1 | cannot be started: zerodivisionerror: division by zero; started again in 1 s\n" in run.text()
    time.sleep(0.5)
    assert ("ended" in run.text(), len(run.reports())) == (False, 1)
    assert [process.pid for process in run.below()] == [run.reports()[0]["pid"]]
    run.process.terminate()
    assert run.process.wait(10) == 0
    assert run.text().count("all processes have ended") == 1


def test_no_program_is_forked_while_another_thread_runs(supervise: Callable[..., Run]) -> None:
    run = supervise(before="threading.Thread(target=time.sleep, args=(300,), daemon=True).start()")
    until(run.reports)
    assert not run.reports()[0]["forked"]
    ending = supervise(before="threading.Thread(target=time.sleep, args=(0.1,), daemon=True).start()")
    until(ending.reports)
    assert ending.reports()[0]["forked"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_arrives_at_once_is_not_for_the_handlers_of_the_parent(
    supervise: Callable[..., Run], number: signal.Signals
) -> None:
    """The child sends it to itself before anything else: it is blocked until the handlers are its own."""
    before = (
        "setsid = os.setsid\n"
        f"os.setsid = lambda: (setsid(), [os.kill(os.getpid(), n) for n in ({int(number)}, {int(signal.SIGALRM)})])"
    )
    run = supervise(before=before)
    until(lambda: "started again" in run.text())
    assert "a handler of the parent" not in run.text()
    assert re.search(r"ended with -\d+;", run.text())
    os.kill(run.process.pid, signal.SIGTERM)
    assert run.process.wait(10) == 0

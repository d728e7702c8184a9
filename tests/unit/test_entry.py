"""The first moments of every process: its streams, its signals, and where it imports from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from worker.process import intake_orders as entry

HANG_UP, TERMINATE = 1, 15
TERM_AS_FIRST_PROCESS = """
pid, os.getpid = os.getpid(), lambda: 1
entry._heed_signals()
os.kill(pid, signal.SIG{name})
"""
TERM_WHILE_IT_IS_REPLACED = """
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIG{name}])
os.kill(os.getpid(), signal.SIG{name})
entry.replace_process(entry.command("worker.cli", "--version"), os.environ)
"""


def run(code: str, *, wrap: str = 'exec "$@"', cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python code that may use the module under test as `entry`."""
    # As an installation finds it: under a name of its own, so that none of the packages is imported yet.
    found = f"sys.path.insert(0, {str(Path(entry.__file__).parent)!r}); import intake_orders as entry; del sys.path[0]"
    program = f"import os, signal, sys\n{found}\n{code}"
    command = ["sh", "-c", wrap, "sh", sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, timeout=60)


@pytest.mark.parametrize(("name", "number"), [("TERM", TERMINATE), ("HUP", HANG_UP)])
def test_the_first_process_of_a_container_ends_on_a_signal_before_it_has_handlers_of_its_own(
    name: str, number: int
) -> None:
    assert run(TERM_AS_FIRST_PROCESS.format(name=name)).returncode == 128 + number


@pytest.mark.parametrize(("name", "number"), [("TERM", TERMINATE), ("HUP", HANG_UP)])
def test_a_signal_that_arrives_while_a_process_is_replaced_is_not_lost(name: str, number: int) -> None:
    done = run(TERM_WHILE_IT_IS_REPLACED.format(name=name))
    assert (done.returncode, done.stdout) == (-number, "")


def test_an_inherited_ignored_hang_up_stays_ignored() -> None:
    code = "entry._heed_signals(); os.kill(os.getpid(), signal.SIGHUP); print('lives')"
    assert run(code, wrap="trap '' HUP; exec \"$@\"").stdout == "lives\n"


def test_closed_streams_are_opened_so_that_no_connection_gets_their_numbers() -> None:
    code = "entry._open_standard_streams(); print(1); print(2, file=sys.stderr); sys.exit(os.open('/', os.O_RDONLY))"
    assert run(code, wrap='exec "$@" <&- >&- 2>&-').returncode > 2


def test_packages_of_others_are_not_imported_in_the_place_of_ours(tmp_path: Path) -> None:
    for name in entry.PACKAGES:
        (tmp_path / f"{name}.py").write_text("raise SystemExit(9)")
    code = f"""
sys.path[1:1] = [{str(tmp_path)!r}]
entry._clean_path()
entry.prefer_own_packages()
sys.path.insert(0, {str(tmp_path)!r})
import schemas.order, tasks.poll, worker.errors
print(schemas.__path__, tasks.__path__, worker.__path__)
"""
    root = Path(entry.__file__).parents[2]
    assert run(code).stdout.split() == [f"['{root}/{name}']" for name in ("schemas", "tasks", "worker")]


def test_celery_imports_our_tasks_in_a_folder_that_has_a_module_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text("raise SystemExit(9)")
    code = "from worker.app import app; print(app.loader.import_from_cwd('tasks.job').__file__)"
    done = run(f"sys.path.remove(''); {code}", cwd=tmp_path)
    assert done.stdout == f"{Path(entry.__file__).parents[2]}/tasks/job.py\n"


def test_the_working_directory_and_the_folder_of_the_command_are_not_on_the_path(tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text("raise SystemExit(9)")
    done = run("sys.argv[1:] = ['--version']; entry.main()", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_behind_the_output_is_reported_in_words() -> None:
    done = run("sys.argv[1:] = ['--help']; entry.main()", wrap='exec "$@" > /dev/full')
    assert (done.returncode, done.stderr) == (1, "Error: the output could not be written: no space left on device\n")

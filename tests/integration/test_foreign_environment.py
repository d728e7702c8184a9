"""Processes start in the environment and the working directory of another Celery project, and see neither."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from worker.cli.run.processes import argv, process_environment
from worker.process import intake_orders
from worker.settings.in_use import VARIABLE
from worker.store.health.signs import UPKEEP

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.settings_texts import Configured

ELSEWHERE = "redis://127.0.0.1:9/0"
#: What other projects set for Celery, Django, Python and Kubernetes; none of it is true of Intake.
HOSTILE = {
    **dict.fromkeys(
        ("BROKER_URL", "CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL"), ELSEWHERE
    ),
    **dict.fromkeys(("RESULT_BACKEND", "CELERY_RESULT_BACKEND", "CELERY_WORKER_QUEUES"), ELSEWHERE),
    **dict.fromkeys(("APP", "CELERY_APP", "CELERY_CONFIG_MODULE", "CONFIG_MODULE", "DJANGO_SETTINGS_MODULE"), "tasks"),
    **dict.fromkeys(("CELERY_LOADER", "LOADER", "CELERY_CUSTOM_WORKER_POOL"), "shop.loaders:Loader"),
    **dict.fromkeys(("C_STRICT_APP", "C_BENCH", "C_BENCH_EVERY", "AUTOSCALE_KEEPALIVE", "PICKLE_PROTOCOL"), "many"),
    **dict.fromkeys(("INTAKE_PORT", "WORKER_PORT", "REDIS_PORT"), "tcp://10.0.0.7:80"),
    **dict.fromkeys(("LC_ALL", "LANG"), "C"),
    **dict.fromkeys(("TMPDIR", "XDG_CONFIG_HOME", "SSLKEYLOGFILE"), "/nonexistent/folder"),
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONWARNINGS": "error",
    "PYTHONOPTIMIZE": "2",
    "PYTHONSTARTUP": "tasks.py",
    "PYTHONINSPECT": "1",
    "TZ": "No/Where",
    "TERM": "none",
    "COLUMNS": "0",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Write a folder whose modules leave a file when they are imported."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("tasks", "worker", "schemas", "celeryconfig", "flowerconf", "redis", "celery", "click", "kombu"):
        (folder / f"{name}.py").write_text(
            f"open({str(folder / name)!r} + '.was_run', 'w').close()\nraise SystemExit(9)\n"
        )
    return folder


@pytest.fixture
def environ(project: Path, configured: Configured) -> dict[str, str]:
    configured.open()
    kept = {name: value for name, value in os.environ.items() if name not in {"HOME", "USER", "LOGNAME"}}
    return {**kept, **HOSTILE, "PYTHONPATH": f"{project}::."}


def was_run(project: Path) -> list[str]:
    return sorted(path.name for path in project.glob("*.was_run"))


def test_the_command_imports_its_own_packages_and_prints_in_any_encoding(
    project: Path, environ: dict[str, str]
) -> None:
    words = [sys.executable, intake_orders.__file__, "worker.cli", "status"]
    done = subprocess.run(words, cwd=project, env=environ, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"shop" in done.stdout
    assert was_run(project) == []


@pytest.fixture
def upkeep(project: Path, environ: dict[str, str], configured: Configured) -> Iterator[subprocess.Popen[bytes]]:
    env = process_environment(str(configured.file)) | environ | {VARIABLE: ""}  # as if `intake up` had started it
    process = subprocess.Popen(argv("upkeep"), cwd=project, env=env)
    yield process
    process.kill()
    process.wait()


def test_a_process_of_celery_takes_nothing_from_the_environment_or_the_working_directory(
    project: Path, upkeep: subprocess.Popen[bytes], configured: Configured
) -> None:
    rt = configured.open()
    until = time.monotonic() + 60
    while not any(sign.startswith(UPKEEP) for sign in rt.signs.all()):
        assert upkeep.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    # It ends in order, and leaves the reload to `intake up`. Celery would start it again.
    upkeep.send_signal(signal.SIGHUP)
    assert upkeep.wait(30) == 0
    assert was_run(project) == []

"""The environment configures Intake, not the libraries that it uses."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from worker.process import environment as environment_module
from worker.process import intake_orders
from worker.process.environment import environment, hide_variables, is_hidden
from worker.process.stopping import on_stop_signals

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The packages that the processes of Intake import.
PACKAGES = (
    *("celery", "kombu", "billiard", "amqp", "vine", "flower", "click", "click_plugins", "redis", "requests"),
    *("urllib3", "pydantic", "rich", "structlog", "babel", "prometheus_client", "uvicorn", "aiohttp"),
)
#: Variables that those packages read, and that are left to them.
MEANT = {
    "how an output looks": "COLORTERM COLUMNS FORCE_COLOR LINES NO_COLOR TERM TTY_COMPATIBLE TTY_INTERACTIVE",
    "completion and pagers of a shell": "COMP_CWORD COMP_WORDS LESS PAGER",
    "proxies and certificate authorities, for `worker.http`": "CURL_CA_BUNDLE REQUESTS_CA_BUNDLE no_proxy",
    "the host": "LANG LC_MESSAGES NUMBER_OF_PROCESSORS PWD PYTHONASYNCIODEBUG TZ XDG_CONFIG_HOME",
    "not read where `trust_env` is off": "NETRC",
    "in tests of the package, or in a request of WSGI": (
        "FOO HTTP_ACCEPT HTTP_ACCEPT_ENCODING NO_WORKER PATH_INFO QUERY_STRING REMOTE_ADDR REQUEST_METHOD SERVER_NAME"
        " SERVER_PORT TEST_BROKER WORKER_LOGLEVEL celery_dummy_proxy"
    ),
}
#: Variables of Python that say where it is, how it writes, and how it finds faults in itself.
MEANT_BY_PYTHON = {
    *("PYTHONCOERCECLOCALE", "PYTHONDONTWRITEBYTECODE", "PYTHONFAULTHANDLER", "PYTHONHASHSEED", "PYTHONHOME"),
    *("PYTHONIOENCODING", "PYTHONMALLOC", "PYTHONNOUSERSITE", "PYTHONPLATLIBDIR", "PYTHONPYCACHEPREFIX"),
    *("PYTHONSAFEPATH", "PYTHONUNBUFFERED", "PYTHONUTF8"),
}
#: What later versions list: how they print, where the packages of a user are, how Python measures and counts.
MEANT_SINCE_3_12 = {
    *("PYTHONUSERBASE", "PYTHONPERFSUPPORT", "PYTHON_PERF_JIT_SUPPORT", "PYTHONTRACEMALLOC", "PYTHONMALLOCSTATS"),
    *("PYTHON_BASIC_REPL", "PYTHON_COLORS", "PYTHON_HISTORY", "PYTHON_CPU_COUNT", "PYTHON_FROZEN_MODULES"),
    *("PYTHON_CONTEXT_AWARE_WARNINGS", "PYTHON_THREAD_INHERIT_CONTEXT", "PYTHON_GIL"),
}
_READ = re.compile(
    r"""(?:environ(?:\.\w+)?|getenv|_env)[(\[]\s*["'](\w+)|envvar=["'](\w+)|["'](\w+)["'] in os.environ"""
)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setattr(environment_module, "_hidden", {})


@cache
def read_variables(package: str) -> set[str]:
    """Return the names of the variables that the sources of a package read."""
    folder = next(path for entry in sys.path if (path := Path(entry, package)).joinpath("__init__.py").exists())
    texts = (path.read_text(errors="replace") for path in folder.rglob("*.py"))
    return {"".join(match.groups("")) for text in texts if "env" in text for match in _READ.finditer(text)}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_variable_that_a_library_reads_is_hidden_or_meant(package: str) -> None:
    meant = " ".join(MEANT.values()).split()
    names = {name for name in read_variables(package) if not name.startswith("FLOWER_")}
    assert {name for name in names if not is_hidden(name)} - {*meant} == set()


def test_the_variables_of_celery_are_among_those_that_are_found() -> None:
    assert {"CELERY_BROKER_URL", "BROKER_URL", "CELERY_WORKER_REVOKES_MAX", "C_FORCE_ROOT"} <= read_variables("celery")


def test_every_variable_of_python_is_dropped_or_meant() -> None:
    text = subprocess.run([sys.executable, "--help-env"], capture_output=True, text=True, check=True).stdout
    names = set(re.findall(r"^(PYTHON\w+)", text, re.MULTILINE))
    assert names - intake_orders.PYTHON_VARIABLES - MEANT_SINCE_3_12 == MEANT_BY_PYTHON


@pytest.mark.parametrize("value", ["", "redis://127.0.0.1:9/0", "tcp://10.0.0.7:80", "1", "ü\udcff"])
def test_hidden_variables_are_gone_for_libraries_and_there_for_settings(value: str) -> None:
    hostile = {name: value for package in PACKAGES for name in read_variables(package) if is_hidden(name)}
    before = {**os.environ, **hostile}
    os.environ.update(hostile)
    hide_variables()
    assert not any(map(is_hidden, os.environ))
    assert {**environment()} == before
    hide_variables()
    assert {**environment()} == before


@pytest.mark.parametrize(("value", "kept"), [("80", True), ("0", False), ("-1", False), ("wide", False), ("", False)])
def test_a_terminal_without_a_size_is_one_of_the_usual_size(value: str, *, kept: bool) -> None:
    os.environ.update(COLUMNS=value, LINES=value)
    hide_variables()
    assert [name in os.environ for name in ("COLUMNS", "LINES")] == [kept, kept]


def test_our_own_variables_and_those_of_a_service_in_kubernetes_are_not_hidden() -> None:
    for name in ("INTAKE_CONFIG", "INTAKE_DATA_DIR", "SHOP_KEY", "REDIS_PORT", "HTTPS_PROXY", "OTEL_SERVICE_NAME"):
        assert not is_hidden(name)


@pytest.fixture
def _signals() -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    former = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in former.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_signals")
@pytest.mark.parametrize("nohup", [True, False])
def test_sighup_stops_unless_nohup_made_us_ignore_it(*, nohup: bool) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN if nohup else signal.SIG_DFL)
    seen: list[int] = []
    on_stop_signals(lambda number, _: seen.append(number))
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.raise_signal(number)
    assert seen == [signal.SIGTERM, *([] if nohup else [signal.SIGHUP]), signal.SIGINT]

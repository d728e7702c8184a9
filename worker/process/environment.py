"""The environment: libraries find no settings of theirs in it, and Intake reads all of it."""

from __future__ import annotations

import os
from collections import ChainMap
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The beginnings of the names of variables that libraries read, and that other projects set for themselves. With
#: CELERY_BROKER_URL the workers would listen at another broker, with CELERY_RDBSIG at a port with a debugger.
_PREFIXES: Final = (
    *("CELERY", "KOMBU_", "_MP_FORK_", "DJANGO_", "SLMQ_", "SL_"),  # Celery, kombu, billiard
    *("PROMETHEUS_", "PYDANTIC_", "TORNADO_", "UVICORN_", "AIOHTTP_", "JUPYTER_"),
)
_NAMES: Final = frozenset(
    # Celery and the options of its command line; kombu and billiard; click-plugins, Babel, prometheus-client, uvicorn,
    # rich; and a file into which urllib3 and Python's ssl write the keys of every connection.
    """
    APP AUTOSCALE_KEEPALIVE BROKER_URL CONFIG_MODULE C_BENCH C_BENCH_EVERY C_FAKEFORK C_FORCE_ROOT C_IMPDEBUG
    C_REMDEBUG C_STRICT_APP C_WARN_APP C_WNOCONF EVENTLET_NOBLOCK FORKED_BY_MULTIPROCESSING ITERM_PROFILE LOADER
    MP_LOG MP_MAIN_FILE NOSETPS RESULT_BACKEND SKIP_CHECKS TIMER_DEBUG USE_FAST_LOCALS
    DISABLE_TRACEBACKS MULTIPROCESSING_FORKING_DISABLE PICKLE_PROTOCOL PUBSUB_EMULATOR_HOST REMAP_SIGTERM
    BABEL_PYPROJECT_TOML CLICK_PLUGINS_HONESTLY DATABRICKS_RUNTIME_VERSION FORWARDED_ALLOW_IPS UNICODE_VERSION
    WEB_CONCURRENCY prometheus_multiproc_dir SSLKEYLOGFILE
    """.split()  # noqa: SIM905  # forty quoted words read worse
)
#: The size of the terminal: with none, a table would be written without a single character.
_SIZES: Final = ("COLUMNS", "LINES")
_hidden: dict[str, str] = {}


def is_hidden(name: str) -> bool:
    """Return whether a library would read this variable as its setting."""
    return name in _NAMES or name.startswith(_PREFIXES)


def hide_variables() -> None:
    """Take the variables of libraries out of this process's environment; call it before a library reads them."""
    for name, value in list(os.environ.items()):
        if is_hidden(name) or (name in _SIZES and not value.strip("0").isdecimal()):
            _hidden[name] = os.environ.pop(name)


def renew_environment(environ: Mapping[str, str]) -> None:
    """Let this environment, and nothing else, be that of this process."""
    os.environ.clear()
    os.environ.update(environ)
    _hidden.clear()
    hide_variables()


def environment() -> Mapping[str, str]:
    """Return the environment with the hidden variables: settings may name any of them, and children hide them again."""
    return ChainMap(os.environ, _hidden)

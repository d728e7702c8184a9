"""The options of Flower: read from FLOWER_* of the environment, checked, and refused in words where Flower would fail.

Flower itself reads none of these variables: it would take a password with a comma for two, print a traceback for a
number that is none, and load its database by pickle.
"""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from worker.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX: Final = "FLOWER_"
#: What a value begins with that stands in a file of its own.
_FILE: Final = "file:"
_PORTS: Final = 65_536
#: Characters of a secret that signs sessions, at least.
_SHORTEST: Final = 32

#: Tasks that Flower keeps: 100,000, its default, take more memory than the chart gives it.
_DEFAULTS: Final[Mapping[str, Any]] = {"address": "127.0.0.1", "port": 5555, "max_tasks": 20_000}
#: The columns of the table of tasks; `result` also shows why a task failed (see `worker/app/flower_pages.py`).
_COLUMNS: Final = "name,args,state,result,received,runtime,worker"
_NUMBERS: Final = frozenset({"max_tasks", "max_workers", "inspect_timeout", "purge_offline_workers"})
_FLAGS: Final = frozenset({"xheaders", "natural_time", "auto_refresh", "enable_events"})
_WORDS: Final = {**dict.fromkeys(("true", "yes", "on", "1"), True), **dict.fromkeys(("false", "no", "off", "0"), False)}
_TEXTS: Final = frozenset({"address", "unix_socket", "ca_certs", "certfile", "keyfile", "tasks_columns"})
_SECRETS: Final = frozenset({"oauth2_key", "oauth2_secret", "cookie_secret", "broker_api"})
#: Read below, each by a function of its own.
_OWN: Final = frozenset({"port", "basic_auth", "url_prefix", "auth", "auth_provider", "oauth2_redirect_uri"})
#: Options that are refused, and why.
_REFUSED: Final = {
    **dict.fromkeys(
        ("persistent", "db", "state_save_interval"),
        "is not used: Flower would load its tasks from a file by pickle, which can run any code in it",
    ),
    "read_only": "is not used: Flower is read-only here, and never stops a worker or runs a task",
    "debug": "is not used: Flower would show its own code and values on its pages",
    "format_task": "is not used: it names a function of Python",
    "task_runtime_metric_buckets": "is not used: intake metrics has the measurements",
}
#: The first names a file of Python code that Flower would run, the second opens its API without a password.
_WITHOUT_EFFECT: Final = frozenset({"conf", "unauthenticated_api"})
_PROVIDERS: Final = ("GoogleAuth2", "Github", "GitLab", "Okta")
_OAUTH: Final = ("auth", "auth_provider", "oauth2_key", "oauth2_secret", "oauth2_redirect_uri")
_SEGMENTS: Final = re.compile(r"/?[\w.~-]+(?:/[\w.~-]+)*/?", re.ASCII)
#: One address, several with | between them, or one with .* for any name before the @.
_ADDRESS: Final = r"[^\s@|*]+@[\w.-]+"
_WHO: Final = re.compile(rf"{_ADDRESS}(?:\|{_ADDRESS})*|[^\s@|*]*\.\*[^\s@|*]*@[\w.-]+", re.ASCII)
_REMEDY: Final = (
    "Set FLOWER_BASIC_AUTH=user:password (several with commas), or file:PATH of a file with one in each line."
)


def flower_options(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the options of Flower, which by default listens only to this machine, by Flower's own names.

    Raises:
        ConfigError: No password is set and no OAuth, or an option has no effect that anybody could want.
    """
    named = {name.removeprefix(_PREFIX).lower(): value for name, value in environ.items() if name.startswith(_PREFIX)}
    if "://" in named.get("port", ""):
        del named["port"]  # Kubernetes sets it to the address of a service named flower
    for name, reason in _REFUSED.items():
        if name in named:
            raise _refused(name, reason, "Remove it from the environment.")
    chosen: dict[str, Any] = {**_DEFAULTS, "tasks_columns": _COLUMNS, "read_only": True}
    folder = Path(environ.get("INTAKE_CONFIG", "intake.toml")).absolute().parent
    for name in named.keys() & (_NUMBERS | _FLAGS | _TEXTS | _SECRETS):
        chosen[name] = _read(name, named[name], folder)
    chosen["port"] = _port(named.get("port", str(_DEFAULTS["port"])))
    chosen["url_prefix"] = _url_prefix(named.get("url_prefix", ""))
    chosen |= _oauth(named, chosen)
    if named.get("basic_auth") or "auth" not in chosen:
        chosen["basic_auth"] = _passwords(named.get("basic_auth", ""), folder)
    _check_files(chosen)
    return chosen


def check_address(options: Mapping[str, Any]) -> None:
    """Raise ConfigError if Flower cannot listen at its port: it would end with a traceback."""
    if path := options.get("unix_socket"):
        if not Path(path).parent.is_dir():
            raise _refused("unix_socket", "is in a folder that does not exist", "Create the folder.")
        return
    port, host = options["port"], options["address"]
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else "it is not an address of this machine"
    remedy = "Name another port with FLOWER_PORT."
    raise _refused("port", f"cannot be used at {host or 'any address'} ({port}): {why.lower()}", remedy)


def _refused(name: str, reason: str, remedy: str) -> ConfigError:
    return ConfigError("the environment", f"{_PREFIX}{name.upper()}", reason, remedy)


def _read(name: str, value: str, folder: Path) -> Any:
    if name in _SECRETS:
        return _secret(name, value, folder)
    if name in _NUMBERS:
        if not value.isdecimal() or not int(value):
            raise _refused(name, "is not a whole number of 1 or more", "Write a number, or remove it.")
        return int(value)
    if name in _FLAGS:
        if value.lower() not in _WORDS:
            raise _refused(name, "is neither true nor false", "Write true or false.")
        return _WORDS[value.lower()]
    return value


def _secret(name: str, value: str, folder: Path) -> str:
    """Return a secret; `file:PATH` names a file that holds it, relative to the settings."""
    if value.startswith(_FILE):
        try:
            value = (folder / value.removeprefix(_FILE)).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            why = (getattr(error, "strerror", None) or type(error).__name__).lower()
            remedy = "Write the secret into the file, and let the user that runs Flower read it."
            raise _refused(name, f"names a file that cannot be read: {why}", remedy) from None
    if not value.strip():
        raise _refused(name, "is empty", "Set it, or remove it.")
    if name == "cookie_secret" and len(value.strip()) < _SHORTEST:
        raise _refused(name, f"has fewer than {_SHORTEST} characters", "Write a new one: openssl rand -hex 32.")
    return value.strip()


def _passwords(value: str, folder: Path) -> list[str]:
    """Return the users with their passwords: with commas between them, or one in each line of a file."""
    if not value:
        reason = "is not set, and Flower would show its pages to everybody who reaches its port"
        raise _refused("basic_auth", reason, _REMEDY)
    text = _secret("basic_auth", value, folder) if value.startswith(_FILE) else value
    entries = text.splitlines() if value.startswith(_FILE) else text.split(",")
    # Flower compares only ASCII.
    for number, entry in enumerate(entries, 1):
        user, _, password = entry.partition(":")
        if not user or not password or entry != entry.strip() or not (entry.isascii() and entry.isprintable()):
            reason = f"is not user:password in part {number}, in ASCII and without spaces around it"
            raise _refused("basic_auth", reason, _REMEDY)
    return entries


def _port(value: str) -> int:
    if not value.isdecimal() or not 0 < int(value) < _PORTS:
        raise _refused("port", f"is not a port from 1 to {_PORTS - 1}", "Name another port with FLOWER_PORT.")
    return int(value)


def _url_prefix(value: str) -> str:
    if value and not _SEGMENTS.fullmatch(value):
        reason = "is not the beginning of a path, such as flower or ops/flower"
        raise _refused("url_prefix", reason, "Write only the path; the host and the scheme are the proxy's.")
    return value.strip("/")


def _oauth(named: Mapping[str, str], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a login by OAuth; none without. It works only with all five of them."""
    if not (given := named.keys() & set(_OAUTH)):
        return {}
    if missing := [name for name in _OAUTH if not named.get(name)]:
        other = ", ".join(f"{_PREFIX}{name.upper()}" for name in sorted(given))
        raise _refused(missing[0], f"is missing, and {other} works only with it", "Set all five, or none of them.")
    if not _WHO.fullmatch(named["auth"]):
        reason = "names nobody: it is an address, several with a bar between them, or .*@ and a domain"
        raise _refused("auth", reason, "Write me@example.com|you@example.com, or .*@example.com.")
    provider = next((name for name in _PROVIDERS if f"{name}LoginHandler" == named["auth_provider"].split(".")[-1]), "")
    if not provider or not named["auth_provider"].startswith("flower.views.auth."):
        known = ", ".join(f"flower.views.auth.{name}LoginHandler" for name in _PROVIDERS)
        raise _refused("auth_provider", "is not a login that Flower supports", f"Known: {known}.")
    path = f"/{chosen['url_prefix']}/login" if chosen["url_prefix"] else "/login"
    if not _is_address(named["oauth2_redirect_uri"]) or urlsplit(named["oauth2_redirect_uri"]).path != path:
        reason = f"is not the address of Flower's login, which ends with {path}"
        raise _refused("oauth2_redirect_uri", reason, f"Write https://HOST{path}, as the provider knows it.")
    if provider == "Okta" and not _is_address(named.get("oauth2_okta_base_url", "")):
        reason = "is not the address of the server that Okta asks for"
        raise _refused("oauth2_okta_base_url", reason, "Write https://COMPANY.okta.com/oauth2.")
    return {name: chosen.get(name, named[name]) for name in _OAUTH}


def _is_address(url: str) -> bool:
    """Return whether a browser may be sent there: by HTTPS, or to this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1", "::1"})


def _check_files(chosen: Mapping[str, Any]) -> None:
    if ("certfile" in chosen) != ("keyfile" in chosen):
        missing = "keyfile" if "certfile" in chosen else "certfile"
        raise _refused(missing, "is missing: TLS needs a certificate and its key", "Set both, or neither.")
    for name in ("certfile", "keyfile", "ca_certs"):
        if name in chosen and not os.access(chosen[name], os.R_OK):
            raise _refused(name, "names a file that cannot be read", "Let the user that runs Flower read it.")
